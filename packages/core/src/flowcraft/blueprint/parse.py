"""The JSON form of a blueprint: reading it with every fault named, writing it, hashing it."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Collection, Mapping
from difflib import get_close_matches
from typing import Any, NamedTuple

from flowcraft.blueprint import strict_json
from flowcraft.blueprint.model import ALIASES, Blueprint, Edge, JoinStrategy, Node, NodeConfig
from flowcraft.errors import BlueprintError

NO_ID = "(no id)"

_DOCUMENT_KEYS = ("id", "nodes", "edges", "metadata")
_NODE_KEYS = ("id", "uses", "params", "inputs", "config")
_CONFIG_KEYS = ("maxRetries", "retryDelay", "timeout", "fallback", "joinStrategy")
_EDGE_KEYS = ("source", "target", "action", "condition", "transform")

# Debugging data of the TypeScript compiler; it means nothing to a run.
_DROPPED_KEY = "_sourceLocation"

_REWRITINGS = {
    "dynamicNodes": "nodes made while a run goes on are not supported; write a batch "
    "('batch-scatter' and 'batch-gather', one worker an item) or a 'subflow' instead",
    "cycleEntryPoints": "a cycle has no entry point here; write the cycle as a loop: a node with "
    "uses 'loop-controller' and params.condition, an edge from it with action 'continue' to the "
    "first node of the cycle, the edges that enter the cycle and the edge that closes it led to "
    "the controller, and an edge from the controller with action 'break' to what comes after",
}


class Reading(NamedTuple):
    """What could be read of a document.

    `blueprint` has a default wherever a field was faulty; it is None where there is nothing to
    look at. `complete` is false where a node or an edge had to be left out, so that what one
    would say about the graph as a whole is not to be trusted.
    """

    blueprint: Blueprint | None
    blueprint_id: str
    problems: list[str]
    complete: bool


def parse_blueprint(source: str | bytes | Mapping[str, Any]) -> Blueprint:
    """Read the JSON form of a blueprint, or a mapping of the same shape.

    Only the shape is checked; `load_blueprint` checks what it means, too.

    Raises:
        BlueprintError: It names every fault of the document at once.
    """
    reading = read(source)
    if reading.blueprint is None or reading.problems:
        raise BlueprintError(reading.blueprint_id, reading.problems)
    return reading.blueprint


def to_json(blueprint: Blueprint) -> dict[str, Any]:
    """Return the JSON form, without what is the default anyway."""
    document: dict[str, Any] = {
        "id": blueprint.id,
        "nodes": [_node_to_json(node) for node in blueprint.nodes],
        "edges": [_edge_to_json(edge) for edge in blueprint.edges],
    }
    if blueprint.metadata:
        document["metadata"] = _plain_mapping(blueprint.metadata)
    return document


def canonical_bytes(blueprint: Blueprint) -> bytes:
    """Return the one spelling of the blueprint: sorted keys, no blanks, UTF-8."""
    text = json.dumps(
        to_json(blueprint),
        sort_keys=True,
        separators=(",", ":"),
        ensure_ascii=False,
        allow_nan=False,
        default=dict,
    )
    return text.encode()


def content_hash(blueprint: Blueprint) -> str:
    """Return the SHA-256 of the canonical bytes, in hexadecimal digits."""
    return hashlib.sha256(canonical_bytes(blueprint)).hexdigest()


def read(source: str | bytes | Mapping[str, Any]) -> Reading:
    """Read as much of a document as can be read, together with its faults of shape."""
    problems: list[str] = []
    document: Any = source
    if isinstance(source, str | bytes | bytearray):
        document = strict_json.decode(source, problems)
        if problems:
            return Reading(None, NO_ID, problems, False)
    if not isinstance(document, Mapping):
        problems.append(f"a blueprint is a mapping with 'id', 'nodes' and 'edges'{_not(document)}")
        return Reading(None, NO_ID, problems, False)
    _check_keys(document, _DOCUMENT_KEYS, "blueprint", problems)
    blueprint_id = _text(document, "id", "blueprint", problems, required=True)
    raw_nodes = _list(document, "nodes", problems)
    raw_edges = _list(document, "edges", problems)
    nodes = [_read_node(raw, number, problems) for number, raw in enumerate(raw_nodes or ())]
    edges = [_read_edge(raw, number, problems) for number, raw in enumerate(raw_edges or ())]
    blueprint = Blueprint(
        id=NO_ID if blueprint_id is None else blueprint_id,
        nodes=tuple(node for node in nodes if node is not None),
        edges=tuple(edge for edge in edges if edge is not None),
        metadata=_read_metadata(document, problems),
    )
    complete = None not in nodes and None not in edges
    complete = complete and raw_nodes is not None and raw_edges is not None
    return Reading(blueprint, blueprint.id, problems, complete)


def _read_node(raw: Any, number: int, problems: list[str]) -> Node | None:
    where = f"node {number}"
    if not isinstance(raw, Mapping):
        problems.append(f"{where}: a node is a mapping with 'id' and 'uses'{_not(raw)}")
        return None
    node_id = _text(raw, "id", where, problems, required=True)
    if node_id is not None:
        where = f"node {node_id!r}"
    _check_keys(raw, _NODE_KEYS, where, problems)
    uses = _text(raw, "uses", where, problems, required=True)
    params = _copied_mapping(raw, "params", where, problems)
    inputs = _read_inputs(raw, where, problems)
    config = _read_config(raw, where, problems)
    if node_id is None or uses is None:
        return None
    uses = ALIASES.get(uses, uses)
    worker = params.get("workerUsesKey")
    if uses == "batch-scatter" and isinstance(worker, str):
        params["workerUsesKey"] = ALIASES.get(worker, worker)
    return Node(id=node_id, uses=uses, params=params, inputs=inputs, config=config)


def _read_inputs(
    raw: Mapping[str, Any], where: str, problems: list[str]
) -> str | Mapping[str, str] | None:
    inputs = raw.get("inputs")
    if not isinstance(inputs, Mapping):
        return _text(raw, "inputs", where, problems, also="or a mapping from names to keys")
    made = strict_json.copy(inputs, where=f"{where}: inputs", problems=problems)
    for name, key in made.items():
        if not isinstance(key, str):
            problems.append(f"{where}: inputs.{name} must be a text, the key to read{_not(key)}")
    return {name: key for name, key in made.items() if isinstance(key, str)}


def _read_config(raw: Mapping[str, Any], where: str, problems: list[str]) -> NodeConfig:
    config = _mapping(raw, "config", where, problems)
    if not config:
        return NodeConfig()
    where = f"{where}: config"
    _check_keys(config, _CONFIG_KEYS, where, problems)
    attempts = config.get("maxRetries")
    if attempts is not None and type(attempts) is not int:
        problems.append(
            f"{where}: maxRetries must be an integer, the attempts in all{_not(attempts)}"
        )
        attempts = None
    retry_delay = _number(config, "retryDelay", where, problems)
    strategy: JoinStrategy = "all"
    given = config.get("joinStrategy")
    if given == "any":
        strategy = "any"
    elif given is not None and given != "all":
        problems.append(f"{where}: joinStrategy must be 'all' or 'any', not {_shown(given)}")
    return NodeConfig(
        attempts=1 if attempts is None else attempts,
        retry_delay_ms=1000 if retry_delay is None else retry_delay,
        timeout_ms=_number(config, "timeout", where, problems),
        fallback=_text(config, "fallback", where, problems),
        join_strategy=strategy,
    )


def _read_edge(raw: Any, number: int, problems: list[str]) -> Edge | None:
    where = f"edge {number}"
    if not isinstance(raw, Mapping):
        problems.append(f"{where}: an edge is a mapping with 'source' and 'target'{_not(raw)}")
        return None
    source = _text(raw, "source", where, problems, required=True)
    target = _text(raw, "target", where, problems, required=True)
    if source is not None and target is not None:
        where = f"{where} {source!r} -> {target!r}"
    _check_keys(raw, _EDGE_KEYS, where, problems)
    action = _text(raw, "action", where, problems)
    condition = _text(raw, "condition", where, problems)
    transform = _text(raw, "transform", where, problems)
    if source is None or target is None:
        return None
    return Edge(
        source=source, target=target, action=action, condition=condition, transform=transform
    )


def _read_metadata(document: Mapping[str, Any], problems: list[str]) -> Mapping[str, Any]:
    metadata = _copied_mapping(document, "metadata", "blueprint", problems)
    _text(metadata, "version", "metadata", problems)
    timeout = _number(metadata, "timeout", "metadata", problems)
    if timeout is not None and timeout <= 0:
        problems.append(f"metadata: timeout is {timeout}; give milliseconds above 0, or leave out")
    for key, rewriting in _REWRITINGS.items():
        if metadata.get(key):
            problems.append(f"metadata: {key} is not supported: {rewriting}")
    return metadata


def _check_keys(
    raw: Mapping[str, Any], known: Collection[str], where: str, problems: list[str]
) -> None:
    problems.extend(
        f"{where}: the key {key!r} appears twice; keep one"
        for key in strict_json.repeated_keys(raw)
    )
    for key in raw:
        if key in known or key == _DROPPED_KEY:
            continue
        if key in _REWRITINGS:
            problems.append(f"{where}: {key} is not supported: {_REWRITINGS[key]}")
            continue
        near = get_close_matches(str(key)[:50], known, n=1)
        mend = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}; remove it"
        problems.append(f"{where}: unknown key {_shown(key)}; {mend}")


def _text(
    raw: Mapping[str, Any],
    key: str,
    where: str,
    problems: list[str],
    *,
    required: bool = False,
    also: str = "",
) -> str | None:
    value = raw.get(key)
    if value is None:
        if required:
            problems.append(f"{where}: {key} is missing; give a text")
        return None
    if not isinstance(value, str):
        problems.append(f"{where}: {key} must be a text{f' {also}' if also else ''}{_not(value)}")
        return None
    fault = strict_json.text_fault(value)
    if fault is not None:
        problems.append(f"{where}: {key} {fault}")
        return None
    return value


def _number(raw: Mapping[str, Any], key: str, where: str, problems: list[str]) -> float | None:
    value = raw.get(key)
    if value is None:
        return None
    if type(value) is int and abs(value) < 2**63:
        return value
    if type(value) is float and math.isfinite(value):
        return value
    problems.append(f"{where}: {key} must be a finite number of milliseconds{_not(value)}")
    return None


def _list(
    document: Mapping[str, Any], key: str, problems: list[str]
) -> list[Any] | tuple[Any, ...] | None:
    value = document.get(key)
    if value is None:
        return []
    if isinstance(value, list | tuple):
        return value
    problems.append(f"blueprint: {key} must be a list{_not(value)}")
    return None


def _mapping(
    raw: Mapping[str, Any], key: str, where: str, problems: list[str]
) -> Mapping[str, Any]:
    value = raw.get(key)
    if value is None:
        return {}
    if isinstance(value, Mapping):
        return value
    problems.append(f"{where}: {key} must be a mapping{_not(value)}")
    return {}


def _copied_mapping(
    raw: Mapping[str, Any], key: str, where: str, problems: list[str]
) -> dict[str, Any]:
    value = _mapping(raw, key, where, problems)
    if not value:
        return {}
    # A repeated key and a value that contains itself are found by the copy.
    place = key if key == "metadata" else f"{where}: {key}"
    made: dict[str, Any] = strict_json.copy(value, where=place, problems=problems)
    return made


def _not(value: Any) -> str:
    return f", not {_shown(value)}"


def _shown(value: Any) -> str:
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    if isinstance(value, int) and abs(value) >= 2**64:
        return "an integer beyond 64 bits"
    shown = "null" if value is None else ascii(value)
    return shown if len(shown) <= 60 else f"{shown[:57]}..."


def _node_to_json(node: Node) -> dict[str, Any]:
    made: dict[str, Any] = {"id": node.id, "uses": node.uses}
    if node.params:
        made["params"] = _plain_mapping(node.params)
    if node.inputs is not None:
        made["inputs"] = _plain_mapping(node.inputs)
    config = node.config
    if config == _DEFAULT_CONFIG:
        return made
    written: dict[str, Any] = {}
    if config.attempts != _DEFAULT_CONFIG.attempts:
        written["maxRetries"] = config.attempts
    if config.retry_delay_ms != _DEFAULT_CONFIG.retry_delay_ms:
        written["retryDelay"] = _plain(config.retry_delay_ms)
    if config.timeout_ms is not None:
        written["timeout"] = _plain(config.timeout_ms)
    if config.fallback is not None:
        written["fallback"] = config.fallback
    if config.join_strategy != "all":
        written["joinStrategy"] = config.join_strategy
    made["config"] = written
    return made


def _edge_to_json(edge: Edge) -> dict[str, Any]:
    made: dict[str, Any] = {"source": edge.source, "target": edge.target}
    if edge.action is not None:
        made["action"] = edge.action
    if edge.condition is not None:
        made["condition"] = edge.condition
    if edge.transform is not None:
        made["transform"] = edge.transform
    return made


def _plain_mapping(value: Any) -> Any:
    """Copy the outermost level, so that nobody changes the blueprint through its JSON form."""
    return dict(value) if isinstance(value, Mapping) else value


def _plain(number: Any) -> Any:
    """Write 500.0 as 500, so that equal blueprints have equal hashes."""
    return int(number) if type(number) is float and number.is_integer() else number


_DEFAULT_CONFIG = NodeConfig()
