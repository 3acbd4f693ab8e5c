"""What a node is given and what it gives back: `Context`, `RunInfo`, `NodeResult`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Generic, TypeVar

import msgspec

OutputT_co = TypeVar("OutputT_co", covariant=True)


class NodeResult(msgspec.Struct, Generic[OutputT_co], frozen=True):
    """A node's output together with the action that chooses its edges.

    A node that has no action to name returns its output bare; a mapping with a key
    "action" is an output like any other.

    Args:
        output: The value for the node's targets.
        action: Name of the outgoing edges to take, or None for the default ones.

    Raises:
        TypeError: The action is no text.
        ValueError: The action is empty.
    """

    output: OutputT_co = None  # type: ignore[assignment]
    action: str | None = None

    def __post_init__(self) -> None:
        """Refuse an action that no edge can name."""
        if self.action is None:
            return
        if not isinstance(self.action, str):
            raise TypeError(
                f"action is {type(self.action).__name__}; an action is text. "
                "Pass the name of an edge's action, or None."
            )
        if not self.action:
            raise ValueError("action is empty. Pass the name of an edge's action, or None.")


class RunInfo(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Which run, node and attempt the code is called for.

    Args:
        run_id: Id of the run.
        blueprint_id: Id of the blueprint that the run follows.
        node_id: Id of the node in that blueprint.
        scope: Iteration or item inside loops and batches; empty outside of them.
        attempt: Number of the attempt, from 1.
    """

    run_id: str
    blueprint_id: str
    node_id: str
    scope: str
    attempt: int


class Context(ABC):
    """The run's keys and values, as one node sees them while it runs.

    Guarantees:

    * a node sees its own writes at once;
    * other nodes see them when the node's outcome is committed, all of them together;
    * the writes of an attempt that fails vanish;
    * of two commits to one key the later wins.

    Not promised: a snapshot. Two reads of one key may differ where another node
    commits between them.
    """

    @abstractmethod
    async def get(self, key: str, default: Any = None) -> Any:
        """Read the value at `key`, or `default` where there is none.

        The value is the caller's own copy.
        """

    @abstractmethod
    async def set(self, key: str, value: Any) -> None:
        """Write `value` at `key`; None is a value like any other.

        Args:
            key: 1 to 512 bytes of UTF-8.
            value: Strict JSON, or a declared type that converts to it.

        Raises:
            ValueNotStorableError: The value is not strict JSON.
        """

    @abstractmethod
    async def has(self, key: str) -> bool:
        """Tell whether `key` has a value, None included."""

    @abstractmethod
    async def delete(self, key: str) -> None:
        """Remove `key` and its value; nothing happens where there is none."""
