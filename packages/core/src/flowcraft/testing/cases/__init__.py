"""Small things to run with a fault at every call: between them they use every construct.

- `case`: what a case is, and what its nodes do.
- `branching`: edges, joins, loops, batches.
- `failing`: attempts, fallbacks, subflows, runs that go wrong.
- `suspending`: waits, webhooks, sleeps.
- `ending`: how runs begin, end, and are removed.
"""

from flowcraft.testing.cases import branching, ending, failing, suspending
from flowcraft.testing.cases.case import ANYTHING, Case, Cast, End, Outside, act

CASES: dict[str, Case] = {
    make.__name__: make()
    for make in (*branching.CASES, *failing.CASES, *suspending.CASES, *ending.CASES)
}
"""Every case, by its name."""

__all__ = ["ANYTHING", "CASES", "Case", "Cast", "End", "Outside", "act"]
