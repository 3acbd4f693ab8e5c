"""The planted bugs, by what they break; `BUGS` has all of them by name."""

from __future__ import annotations

from tests.planted.bug import Bug
from tests.planted.bugs import (
    attempts,
    contract,
    ends,
    expressions,
    joins,
    loading,
    loops,
    nodes,
    outside,
    protocol,
    queues,
    records,
    registering,
    runs,
    sqlite,
    subflows,
    sweeps,
    values,
    waits,
    workers,
)

MODULES = (
    attempts,
    contract,
    ends,
    expressions,
    joins,
    loading,
    loops,
    nodes,
    outside,
    protocol,
    queues,
    records,
    registering,
    runs,
    sqlite,
    subflows,
    sweeps,
    values,
    waits,
    workers,
)

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
