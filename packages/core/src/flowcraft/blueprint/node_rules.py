"""What a single node must have, whatever the graph around it."""

from __future__ import annotations

import unicodedata
from collections.abc import Container, Iterable, Iterator, Mapping
from typing import Any

from flowcraft.blueprint.durations import duration_seconds
from flowcraft.blueprint.model import Blueprint, Node, NodeKind, kind_of
from flowcraft.blueprint.wording import Suggester

MAX_ID_BYTES = 200

# A batch's worker is run by the scatter itself, item by item; these need a place in the graph.
_NO_WORKERS: tuple[NodeKind, ...] = ("scatter", "gather", "loop")


def id_fault(node_id: object) -> str | None:
    """Say what is wrong with the id of a run, blueprint or node, or None."""
    if not isinstance(node_id, str):
        return f"an id is a text, and this is of type {type(node_id).__name__}"
    if not node_id:
        return "an id is not empty; give it 1 to 200 bytes"
    try:
        size = len(node_id.encode())
    except UnicodeEncodeError:
        return "an id is UTF-8, and this one has half of a surrogate pair; remove it"
    if size > MAX_ID_BYTES:
        return f"an id has at most {MAX_ID_BYTES} bytes of UTF-8, and this one {size}; shorten it"
    if "/" in node_id:
        return "an id has no '/', which separates scopes; use '-', '_' or '.'"
    if not node_id.isprintable() and any(unicodedata.category(char) == "Cc" for char in node_id):
        return "an id has no control characters; remove them"
    return None


def node_problems(
    blueprint: Blueprint, *, uses: Container[str] | None, blueprints: Container[str] | None
) -> Iterator[str]:
    """Yield what is wrong with ids, configurations and the parameters of built-ins."""
    fault = id_fault(blueprint.id)
    if fault is not None:
        yield f"blueprint id {blueprint.id!r}: {fault}"
    if not blueprint.nodes:
        yield "blueprint: it has no nodes; add at least one"
    rules = _NodeRules(uses=uses, blueprints=blueprints)
    seen: set[str] = set()
    reported: set[str] = set()
    for node in blueprint.nodes:
        if node.id in seen and node.id not in reported:
            reported.add(node.id)
            yield f"node {node.id!r}: several nodes have this id; rename all but one"
        seen.add(node.id)
        yield from rules.check(node)


class _NodeRules:
    def __init__(self, *, uses: Container[str] | None, blueprints: Container[str] | None) -> None:
        self._uses = uses
        self._blueprints = blueprints
        self._near_uses = Suggester(_names(uses))
        self._near_blueprints = Suggester(_names(blueprints))

    def check(self, node: Node) -> Iterator[str]:
        where = f"node {node.id!r}"
        fault = id_fault(node.id)
        if fault is not None:
            yield f"{where}: {fault}"
        config = node.config
        if config.attempts < 1:
            yield (
                f"{where}: maxRetries is {config.attempts}; it is the number of attempts in all, "
                "at least 1"
            )
        if config.retry_delay_ms < 0:
            yield f"{where}: retryDelay is {config.retry_delay_ms}; give milliseconds, at least 0"
        if config.timeout_ms is not None and config.timeout_ms <= 0:
            yield (
                f"{where}: timeout is {config.timeout_ms}; give milliseconds above 0, or leave it "
                "out for none"
            )
        yield from self._check_implementation(node.uses, f"{where}: uses")
        yield from self._check_params(kind_of(node.uses), node.params, node.id, f"{where}: params")

    def _check_implementation(self, uses: str, where: str) -> Iterator[str]:
        if not uses:
            yield f"{where} is empty; name the node's implementation"
        elif kind_of(uses) == "function" and self._uses is not None and uses not in self._uses:
            yield (
                f"{where}: no implementation {uses!r} is registered{self._near_uses(uses)}; "
                "register it, or correct the key"
            )

    def _check_params(
        self, kind: NodeKind, params: Mapping[str, Any], node_id: str, where: str
    ) -> Iterator[str]:
        if kind == "loop":
            yield from _check_loop(params, where)
        elif kind == "sleep":
            try:
                duration_seconds(params.get("duration"))
            except ValueError as error:
                given = "duration" if "duration" in params else "duration is missing"
                yield f"{where}: {given}: {error}"
        elif kind == "subflow":
            yield from self._check_subflow(params, where)
        elif kind == "scatter":
            yield from self._check_scatter(params, node_id, where)
        elif kind == "gather":
            own = params.get("gatherNodeId")
            if own is not None and own != node_id:
                yield (
                    f"{where}: gatherNodeId of a gather is its own id, {node_id!r}; correct it or "
                    "leave it out"
                )

    def _check_subflow(self, params: Mapping[str, Any], where: str) -> Iterator[str]:
        blueprint_id = params.get("blueprintId")
        if not isinstance(blueprint_id, str) or not blueprint_id:
            yield f"{where}: blueprintId is missing; name the blueprint to run, as a text"
        elif self._blueprints is not None and blueprint_id not in self._blueprints:
            yield (
                f"{where}: no blueprint {blueprint_id!r} is registered"
                f"{self._near_blueprints(blueprint_id)}; register it, or correct blueprintId"
            )
        inputs = params.get("inputs")
        if not isinstance(inputs, str) and not _maps_texts(inputs):
            yield f"{where}: inputs must map the child's keys to keys of this run, all texts"
        if not _maps_texts(params.get("outputs")):
            yield f"{where}: outputs must map keys of this run to keys of the child, all texts"

    def _check_scatter(self, params: Mapping[str, Any], node_id: str, where: str) -> Iterator[str]:
        gather = params.get("gatherNodeId")
        if not isinstance(gather, str) or not gather:
            yield (
                f"{where}: gatherNodeId is missing; name the node with uses 'batch-gather' that "
                "takes the results"
            )
        chunk_size = params.get("chunkSize")
        if chunk_size is not None and (type(chunk_size) is not int or chunk_size < 1):
            yield f"{where}: chunkSize must be an integer, at least 1, the items in flight"
        if params.get("onItemError") not in (None, "fail", "continue"):
            yield f"{where}: onItemError must be 'fail' or 'continue'"
        worker_params = params.get("workerParams")
        if worker_params is None:
            worker_params = {}
        elif not isinstance(worker_params, Mapping):
            yield f"{where}: workerParams must be a mapping, the params of the worker"
            worker_params = {}
        worker = params.get("workerUsesKey")
        if not isinstance(worker, str) or not worker:
            yield f"{where}: workerUsesKey is missing; name what runs for each item, as a text"
            return
        kind = kind_of(worker)
        if kind in _NO_WORKERS:
            yield (
                f"{where}: {worker!r} cannot be a worker; put it in a blueprint of its own and "
                "use 'subflow' as workerUsesKey, with workerParams.blueprintId"
            )
            return
        yield from self._check_implementation(worker, f"{where}: workerUsesKey")
        yield from self._check_params(kind, worker_params, node_id, f"{where}: workerParams")


def _check_loop(params: Mapping[str, Any], where: str) -> Iterator[str]:
    condition = params.get("condition")
    if not isinstance(condition, str) or not condition:
        yield (
            f"{where}: condition is missing; give an expression that is satisfied as long as "
            "there is to be another iteration"
        )
    limit = params.get("maxIterations")
    if limit is not None and (type(limit) is not int or limit < 1):
        yield f"{where}: maxIterations must be an integer, at least 1"


def _maps_texts(value: Any) -> bool:
    if value is None:
        return True
    return isinstance(value, Mapping) and all(isinstance(item, str) for item in value.values())


def _names(known: object) -> Iterator[str]:
    # A container need not say what it contains; then there is nothing to suggest.
    if isinstance(known, Iterable):
        yield from (name for name in known if isinstance(name, str))
