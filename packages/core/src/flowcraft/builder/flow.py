"""`Flow`: the typed face of a blueprint in the making."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypeVar, Unpack, overload

from flowcraft.blueprint.model import CONTINUE, Blueprint, Edge, JoinStrategy
from flowcraft.builder.draft import Draft, milliseconds, node_config
from flowcraft.builder.refs import (
    AnyRef,
    AsyncFunction,
    Inputs,
    InT,
    MapSettings,
    NodeRef,
    NodeSettings,
    OutT,
    P,
    PlainFunction,
    ResultFunction,
    id_of,
)
from flowcraft.errors import RegistrationError
from flowcraft.nodes import BaseNode, Context, NodeOptions, NodeRegistry

T = TypeVar("T")


class LoopRef(NodeRef[Any, Any]):
    """A loop's controller. Edges to it enter the loop; edges from it leave it at its end."""

    __slots__ = ("_flow",)

    def __init__(self, id: str, *, flow: Flow) -> None:
        super().__init__(id)
        self._flow = flow

    def body(self, first: AnyRef, last: AnyRef | None = None) -> LoopRef:
        """Wire an iteration: from the controller to `first`, from `last` back to it.

        Args:
            first: Where each iteration begins.
            last: Where it ends; `first` if not given. Edges between them are your own.
        """
        self._flow.edge(self, first, action=CONTINUE)
        self._flow.edge(first if last is None else last, self.id)
        return self


class Flow:
    """A blueprint in the making.

    Attributes:
        id: Id of the blueprint.
        registry: The functions and classes that its nodes use.
    """

    def __init__(self, id: str, *, version: str | None = None) -> None:
        self.id = id
        self.registry = NodeRegistry()
        self._draft = Draft(id, metadata={} if version is None else {"version": version})

    @overload
    def node(
        self, fn: type[BaseNode[InT, OutT]], /, **settings: Unpack[NodeSettings]
    ) -> NodeRef[InT, OutT]: ...
    @overload
    def node(
        self, fn: ResultFunction[Context, P, OutT], /, **settings: Unpack[NodeSettings]
    ) -> NodeRef[Any, OutT]: ...
    @overload
    def node(
        self, fn: AsyncFunction[Context, P, OutT], /, **settings: Unpack[NodeSettings]
    ) -> NodeRef[Any, OutT]: ...
    @overload
    def node(
        self, fn: ResultFunction[InT, P, OutT], /, **settings: Unpack[NodeSettings]
    ) -> NodeRef[InT, OutT]: ...
    @overload
    def node(
        self, fn: AsyncFunction[InT, P, OutT], /, **settings: Unpack[NodeSettings]
    ) -> NodeRef[InT, OutT]: ...
    @overload
    def node(
        self, fn: PlainFunction[InT, P, OutT], /, **settings: Unpack[NodeSettings]
    ) -> NodeRef[InT, OutT]: ...
    @overload
    def node(
        self, fn: Callable[..., Any] | str, /, **settings: Unpack[NodeSettings]
    ) -> NodeRef[Any, Any]: ...

    def node(
        self,
        fn: Callable[..., Any] | str,
        /,
        *,
        id: str | None = None,
        uses: str | None = None,
        inputs: Inputs | None = None,
        params: object = None,
        attempts: int | None = None,
        retry_delay_seconds: float | None = None,
        timeout_seconds: float | None = None,
        fallback: AnyRef | None = None,
        join: JoinStrategy = "all",
    ) -> NodeRef[Any, Any]:
        """Add a node that runs a function or `BaseNode` class.

        Args:
            fn: The function or class, or the key of one that is registered elsewhere.
            id: Id of the node; the function's name if not given.
            uses: Key of the function; see `NodeRegistry.register`.
            inputs: What the node gets instead of its incoming edges' values.
            params: Fixed settings: a mapping, or a declared type that becomes one.
            attempts: Attempts in all, at least 1.
            retry_delay_seconds: Delay before the second attempt, doubled for each further one.
            timeout_seconds: Bound of one attempt.
            fallback: The node that stands in after the last attempt.
            join: Whether all incoming edges or the first taken one start the node.

        Raises:
            RegistrationError: The function does not fit, or an id is missing.
            BlueprintError: The id is taken.
        """
        key, node_id, options = self._implementation(fn, id=id, uses=uses)
        config = node_config(
            attempts=attempts,
            retry_delay_seconds=retry_delay_seconds,
            timeout_seconds=timeout_seconds,
            fallback=fallback,
            join=join,
            options=options,
        )
        return self._draft.add_node(node_id, key, params=params, inputs=inputs, config=config)

    @overload
    def map(
        self,
        fn: ResultFunction[InT, P, OutT],
        /,
        *,
        over: NodeRef[Any, Sequence[InT]],
        **settings: Unpack[MapSettings],
    ) -> NodeRef[Sequence[InT], list[OutT]]: ...
    @overload
    def map(
        self,
        fn: AsyncFunction[InT, P, OutT],
        /,
        *,
        over: NodeRef[Any, Sequence[InT]],
        **settings: Unpack[MapSettings],
    ) -> NodeRef[Sequence[InT], list[OutT]]: ...
    @overload
    def map(
        self,
        fn: PlainFunction[InT, P, OutT],
        /,
        *,
        over: NodeRef[Any, Sequence[InT]],
        **settings: Unpack[MapSettings],
    ) -> NodeRef[Sequence[InT], list[OutT]]: ...
    @overload
    def map(
        self,
        fn: type[BaseNode[InT, OutT]],
        /,
        *,
        over: NodeRef[Any, Sequence[InT]],
        **settings: Unpack[MapSettings],
    ) -> NodeRef[Sequence[InT], list[OutT]]: ...
    @overload
    def map(
        self,
        fn: Callable[[], Any] | str,
        /,
        *,
        over: AnyRef,
        **settings: Unpack[MapSettings],
    ) -> NodeRef[Any, list[Any]]: ...

    def map(
        self,
        fn: Callable[..., Any] | str,
        /,
        *,
        over: AnyRef,
        id: str | None = None,
        uses: str | None = None,
        chunk_size: int | None = None,
        on_item_error: Literal["fail", "continue"] = "fail",
        params: object = None,
        attempts: int | None = None,
        retry_delay_seconds: float | None = None,
        timeout_seconds: float | None = None,
        join: JoinStrategy = "all",
    ) -> NodeRef[Any, Any]:
        """Run a function once for each item of a list, and gather the outputs in order.

        Adds two nodes, `<id>_scatter` and `<id>_gather`, and an edge from `over`. Edges to
        the reference, or to `<id>`, enter the scatter; those from it leave the gather.

        Args:
            fn: What runs for each item; "subflow" with `params` runs a graph for each.
            over: The node whose output is the list.
            id: Id of the batch; the function's name if not given.
            uses: Key of the function; see `NodeRegistry.register`.
            chunk_size: Items in flight at once, at least 1; 100 if not given.
            on_item_error: Whether a failed item fails the run, or leaves null in its place.
            params: Fixed settings of the function.
            attempts: Attempts of each item, at least 1.
            retry_delay_seconds: Delay before an item's second attempt, doubled each time.
            timeout_seconds: Bound of one attempt of one item.
            join: Whether all incoming edges or the first taken one start the batch.

        Raises:
            RegistrationError: The function does not fit, or an id is missing.
            BlueprintError: The id is taken.
        """
        key, batch_id, options = self._implementation(fn, id=id, uses=uses)
        scatter: dict[str, Any] = {"workerUsesKey": key}
        if params is not None:
            scatter["workerParams"] = self._draft.params(params, node_id=batch_id)
        if chunk_size is not None:
            scatter["chunkSize"] = chunk_size
        if on_item_error != "fail":
            scatter["onItemError"] = on_item_error
        config = node_config(
            attempts=attempts,
            retry_delay_seconds=retry_delay_seconds,
            timeout_seconds=timeout_seconds,
            join=join,
            options=options,
        )
        ref = self._draft.add_batch(batch_id, over=over, scatter_params=scatter, config=config)
        self.edge(over, batch_id)
        return ref

    @overload
    def edge(
        self,
        source: NodeRef[Any, T],
        target: NodeRef[T, Any],
        /,
        *,
        when: str | None = None,
        action: str | None = None,
    ) -> None: ...
    @overload
    def edge(
        self,
        source: NodeRef[Any, Any],
        target: NodeRef[dict[str, Any], Any],
        /,
        *,
        when: str | None = None,
        action: str | None = None,
    ) -> None: ...
    @overload
    def edge(
        self,
        source: AnyRef,
        target: AnyRef,
        /,
        *,
        when: str | None = None,
        action: str | None = None,
        transform: str,
    ) -> None: ...
    @overload
    def edge(
        self, source: str, target: AnyRef, /, *, when: str | None = None, action: str | None = None
    ) -> None: ...
    @overload
    def edge(
        self, source: AnyRef, target: str, /, *, when: str | None = None, action: str | None = None
    ) -> None: ...

    def edge(
        self,
        source: AnyRef,
        target: AnyRef,
        /,
        *,
        when: str | None = None,
        action: str | None = None,
        transform: str | None = None,
    ) -> None:
        """Add an edge; two edges between the same nodes are two edges.

        An edge that leaves a loop without naming an action has the action "break".

        Args:
            source: Where it begins.
            target: Where it ends.
            when: Expression that must be satisfied for the edge to be taken.
            action: The action of the source's result that takes the edge.
            transform: Expression whose value the edge carries instead of the output.
        """
        self._draft.add_edge(
            Edge(
                source=id_of(source),
                target=target if isinstance(target, str) else target.entry_id,
                action=action,
                condition=when,
                transform=transform,
            )
        )

    def loop(
        self,
        id: str,
        *,
        condition: str,
        max_iterations: int | None = None,
        join: JoinStrategy = "all",
    ) -> LoopRef:
        """Add a loop's controller; wire its body with `LoopRef.body`.

        Args:
            id: Id of the controller.
            condition: Expression over the controller's input, asked before each iteration.
            max_iterations: The run fails beyond so many; 10,000 if not given.
            join: How the entries, and in each iteration the ways back, are joined.
        """
        params: dict[str, Any] = {"condition": condition}
        if max_iterations is not None:
            params["maxIterations"] = max_iterations
        self._draft.add_loop(id, params=params, config=node_config(join=join))
        return LoopRef(id, flow=self)

    def wait(
        self,
        id: str,
        *,
        timeout_seconds: float | None = None,
        fallback: AnyRef | None = None,
        join: JoinStrategy = "all",
    ) -> NodeRef[Any, Any]:
        """Add a node that suspends until `resume`; its output is what resumes it.

        Args:
            id: Id of the node, by which it is resumed.
            timeout_seconds: The node fails when nobody resumes it in time.
            fallback: The node that stands in then.
            join: Whether all incoming edges or the first taken one start the wait.
        """
        config = node_config(timeout_seconds=timeout_seconds, fallback=fallback, join=join)
        return self._draft.add_node(id, "wait", config=config)

    def sleep(
        self,
        id: str,
        *,
        duration_seconds: float,
        join: JoinStrategy = "all",
    ) -> NodeRef[Any, Any]:
        """Add a node that passes its input on after a while, with no worker held."""
        params = {"duration": milliseconds(duration_seconds)}
        return self._draft.add_node(id, "sleep", params=params, config=node_config(join=join))

    def webhook(self, id: str, *, join: JoinStrategy = "all") -> NodeRef[Any, dict[str, Any]]:
        """Add a node that suspends until its address is called.

        Its output has the keys `body`, `headers`, `method` and `query`.
        """
        return self._draft.add_node(id, "webhook", config=node_config(join=join))

    def subflow(
        self,
        id: str,
        *,
        blueprint: str | Flow,
        inputs: Mapping[str, AnyRef] | None = None,
        outputs: Mapping[str, AnyRef] | None = None,
        attempts: int | None = None,
        retry_delay_seconds: float | None = None,
        timeout_seconds: float | None = None,
        fallback: AnyRef | None = None,
        join: JoinStrategy = "all",
    ) -> NodeRef[Any, Any]:
        """Add a node that runs another blueprint as a child, and gives its output.

        Args:
            id: Id of the node.
            blueprint: The child, or its id. The application must know it too.
            inputs: Keys of the child's payload and where each comes from in this run; the
                node's input is the payload if not given.
            outputs: Context keys of this run and what of the child each is set to.
            attempts: Attempts in all, at least 1; each is a new child.
            retry_delay_seconds: Delay before the second attempt, doubled for each further one.
            timeout_seconds: Bound of one attempt.
            fallback: The node that stands in after the last attempt.
            join: Whether all incoming edges or the first taken one start the child.
        """
        child = blueprint.id if isinstance(blueprint, Flow) else blueprint
        params: dict[str, Any] = {"blueprintId": child}
        for name, keys in (("inputs", inputs), ("outputs", outputs)):
            if keys is not None:
                params[name] = {key: id_of(source) for key, source in keys.items()}
        config = node_config(
            attempts=attempts,
            retry_delay_seconds=retry_delay_seconds,
            timeout_seconds=timeout_seconds,
            fallback=fallback,
            join=join,
        )
        return self._draft.add_node(id, "subflow", params=params, config=config)

    def join(self, id: str, *, strategy: JoinStrategy = "all") -> NodeRef[Any, Any]:
        """Add a node that only brings edges together and passes on what it gets."""
        return self._draft.add_node(id, "join", config=node_config(join=strategy))

    def to_blueprint(self) -> Blueprint:
        """Give what has been built so far. Whoever loads it checks it as a whole."""
        return self._draft.finish()

    def _implementation(
        self,
        fn: Callable[..., Any] | str,
        *,
        id: str | None,
        uses: str | None,
    ) -> tuple[str, str, NodeOptions]:
        """Register a function; give its key, the id of its node and its options."""
        if isinstance(fn, str):
            key, name, options = fn, None, NodeOptions()
        else:
            found = self.registry.register(fn, uses=uses)
            key, name, options = found.uses, getattr(fn, "__name__", None), found.options
        # A lambda's name is none.
        node_id = id or (name if name != "<lambda>" else None)
        if node_id is None:
            raise RegistrationError(f"the node for {key!r} has no name. Give it one: id=...")
        return key, node_id, options


def create_flow(id: str, *, version: str | None = None) -> Flow:
    """Begin a flow.

    Args:
        id: Id of the blueprint, under which it is submitted.
        version: A label for people. A run keeps the graph it was submitted with anyway.
    """
    return Flow(id, version=version)
