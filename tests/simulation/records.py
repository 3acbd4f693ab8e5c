"""The words of the interpreter: activations that are ready, their records, and what is chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

from tests.simulation.case import Signal

if TYPE_CHECKING:
    from tests.simulation.interpreter import Walk

Outcome = Literal["completed", "skipped", "failed", "caught"]


@dataclass(slots=True, kw_only=True)
class Ready:
    """An activation whose predecessors are all recorded.

    Args:
        key: Node id and scope.
        node: The node that runs.
        scope: The scope of its record.
        place: The scope that its edges leave from; differs for controllers, batch items and
            shared fallbacks.
        names: The nodes that its result stands for, the failed ones first.
        before: The records certainly made before it, as a set of bits.
        skipped: It only passes a skip on.
        values: What its taken edges carry, by edge.
        winner: The edge that won an `any` join.
        item: Its index in a batch.
        given: The input of an item or a stand-in, in a list of one; empty for the others.
    """

    key: str
    node: str
    scope: str
    place: str
    names: tuple[str, ...]
    before: int = 0
    skipped: bool = False
    values: dict[int, Any] = field(default_factory=dict)
    winner: int | None = None
    item: int | None = None
    given: list[Any] = field(default_factory=list)

    @property
    def iteration(self) -> int:
        """The number of a controller's evaluation; 0 for every other node."""
        last = self.scope[len(self.place) + 1 :]
        return int(last) if last.isdigit() else 0


@dataclass(slots=True, kw_only=True)
class Record:
    """What an activation's record must say. `fatal` ends the run; `bit` names it in sets."""

    ready: Ready
    outcome: Outcome
    input: Any = None
    output: Any = None
    action: str | None = None
    taken: dict[int, Any] = field(default_factory=dict)
    skipped: set[int] = field(default_factory=set)
    attempt: int = 1
    error: str | None = None
    writes: Mapping[str, Any] = field(default_factory=dict)
    fatal: bool = False
    bit: int = 0


@dataclass(slots=True, kw_only=True)
class ChildEnd:
    """How one child run of a subflow ended."""

    completed: bool
    walk: Walk


class Choices(Protocol):
    """What order and the outside world decide."""

    def wins(self, key: str, edge: int, among: int) -> bool:
        """Say whether this taken edge wins the `any` join `key` of that many edges."""

    def signal(self, key: str, node: str, scope: str, offered: Sequence[Signal]) -> Signal | None:
        """Pick the signal that wakes a wait; None while none has."""

    def child(self, key: str, attempt: int, walk: Walk) -> ChildEnd | None:
        """Run the child that `walk` is at the start of; None while it has not ended."""
