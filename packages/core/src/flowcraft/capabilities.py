"""What an adapter can do, as data: what it declares must hold, and nothing else may be needed."""

from __future__ import annotations

import msgspec


class Capabilities(msgspec.Struct, frozen=True, kw_only=True):
    """What is true of an adapter with its default settings.

    The defaults are what the four methods and five store operations give by themselves. Where a
    fact depends on settings, the adapter that was made says what holds for it: `largest_value` of
    its native ports, `longest_delay_seconds` and `longest_unacknowledged_seconds` of its queue.
    The protocol goes by those; what is declared here is the same for the default settings.

    Args:
        is_durable: Whether runs outlive the processes that work on them.
        is_shared: Whether several processes can work on the same runs.
        is_push: Whether jobs are handed over by `process_jobs`, where returning acknowledges and
            raising redelivers; if not, the worker asks its native queue for them.
        is_ordered: Whether messages come in the order in which they were sent, while nothing
            fails. Nothing relies on it.
        longest_delay_seconds: The longest delay of a message that the queue keeps by itself; 0 for
            none, infinity for no limit. Longer ones become timers in the store.
        longest_unacknowledged_seconds: How long a message may be held with extensions; infinity
            for no limit. Of one that is held for longer, a timer takes the place.
        largest_value_bytes: The largest value; None for no limit.
        keeps_journal: Whether the order in which records were committed is kept, so that events
            go on after a cursor; if not, whoever goes on gets all of them again.
        keeps_dead_letters: Whether dead letters are listed, put back and dropped through the
            queue; if not, by the tools of the backend.
        fences_late_workers: Whether a worker that wakes after its lease can do no harm; where it
            cannot be kept from it, `doctor` says so.
        events_late_seconds: How late an event of a run may be told, while the backend answers.
    """

    is_durable: bool = True
    is_shared: bool = True
    is_push: bool = True
    is_ordered: bool = False
    longest_delay_seconds: float = 0.0
    longest_unacknowledged_seconds: float = float("inf")
    largest_value_bytes: int | None = None
    keeps_journal: bool = False
    keeps_dead_letters: bool = True
    fences_late_workers: bool = False
    events_late_seconds: float = 1.0
