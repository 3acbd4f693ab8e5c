"""How a flow's nodes are named and typed while it is built: `NodeRef` and the keywords."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Concatenate, Generic, Literal, ParamSpec, TypeAlias, TypedDict, TypeVar

from flowcraft.blueprint.model import JoinStrategy
from flowcraft.nodes.result import NodeResult

P = ParamSpec("P")
InT = TypeVar("InT")
OutT = TypeVar("OutT")
InT_contra = TypeVar("InT_contra", contravariant=True)
OutT_co = TypeVar("OutT_co", covariant=True)

ResultFunction: TypeAlias = Callable[
    Concatenate[InT, P], Coroutine[Any, Any, NodeResult[OutT]] | NodeResult[OutT]
]
"""A node function that names its action, async or not."""
AsyncFunction: TypeAlias = Callable[Concatenate[InT, P], Coroutine[Any, Any, OutT]]
"""An async node function that returns its output bare."""
PlainFunction: TypeAlias = Callable[Concatenate[InT, P], OutT]
"""A node function that is not async and returns its output bare."""


class NodeRef(Generic[InT_contra, OutT_co]):
    """A node of a flow, as its edges name it.

    Attributes:
        id: Id of the node that edges from here leave; its output is this one's.
        entry_id: Id of the node that edges to here enter; another one for a batch only.
    """

    __slots__ = ("entry_id", "id")

    def __init__(self, id: str, *, entry_id: str | None = None) -> None:
        self.id = id
        self.entry_id = id if entry_id is None else entry_id

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.id!r})"


AnyRef: TypeAlias = NodeRef[Any, Any] | str
"""A node by its reference, or by its id, also before it exists."""
Inputs: TypeAlias = AnyRef | Mapping[str, AnyRef]
"""Where an input comes from: a node or a context key, or a name for each of several."""


class _AttemptSettings(TypedDict, total=False):
    params: object
    attempts: int | None
    retry_delay_seconds: float | None
    timeout_seconds: float | None
    join: JoinStrategy


class NodeSettings(_AttemptSettings, total=False):
    """Keywords of `Flow.node`; what each means is said there."""

    id: str | None
    uses: str | None
    inputs: Inputs | None
    fallback: AnyRef | None


class MapSettings(_AttemptSettings, total=False):
    """Keywords of `Flow.map`; what each means is said there."""

    id: str | None
    uses: str | None
    chunk_size: int | None
    on_item_error: Literal["fail", "continue"]


def id_of(ref: AnyRef) -> str:
    """Give the id of the node that a reference's output comes from."""
    return ref if isinstance(ref, str) else ref.id
