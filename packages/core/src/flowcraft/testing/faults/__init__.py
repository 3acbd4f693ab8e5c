"""What else goes wrong between workers and their backend, over all the cases.

- `messages`: they come twice, in any order, or not at all.
- `answers`: they are errors, though what was asked was done; or what was asked is asked twice.
- `workers`: they wake up after their lease; their clocks are wrong.
"""

from flowcraft.testing.faults.answers import AmbiguousAnswers, RepeatedCalls
from flowcraft.testing.faults.messages import AnyOrder, EveryMessageTwice, LostMessages
from flowcraft.testing.faults.workers import ClockSkew, LateWorkers

__all__ = [
    "AmbiguousAnswers",
    "AnyOrder",
    "ClockSkew",
    "EveryMessageTwice",
    "LateWorkers",
    "LostMessages",
    "RepeatedCalls",
]
