"""The planted bugs, by what they break; `BUGS` has all of them by name."""

from __future__ import annotations

from tests.planted.bug import Bug
from tests.planted.bugs import (
<<<<<<< HEAD
    attempts,
    ends,
    joins,
    loops,
    nodes,
    protocol,
    queues,
    records,
    subflows,
    sweeps,
    values,
    waits,
)

MODULES = (
    attempts, ends, joins, loops, nodes, protocol, queues, records, subflows, sweeps, values, waits
)  # fmt: skip
=======
    ends,
    expressions,
    joins,
    loading,
    nodes,
    queues,
    records,
    registering,
    workers,
)

MODULES = (ends, expressions, joins, loading, nodes, queues, records, registering, workers)
>>>>>>> h-marks

BUGS: dict[str, Bug] = {
    name: found
    for module in MODULES
    for name, found in vars(module).items()
    if isinstance(found, Bug)
}
"""By name; a name is used once."""

assert len(BUGS) == sum(
    isinstance(found, Bug) for module in MODULES for found in vars(module).values()
), "two bugs have one name"
