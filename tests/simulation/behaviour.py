"""What a simulated node does: a pure function of its params, place, attempt and input.

The node function that the engine runs and the reference interpreter both ask `decide`, so that
they differ only where the engine gave a node something else than it should have.

Params, all optional:
    emit: `tag` (default), `count`, `number`, `input`, `value` or `list:<n>`.
    n, flag, limit: Fixed members of the output; else they follow from the input's digest.
    value: The output of `emit: value`.
    action: The action returned; `actions_by_scope` overrides it for scopes it names.
    writes: Context keys to write; the value `$tag` stands for place and digest, `$next` for the
        input's number plus one.
    fail_attempts, hang_attempts: How many first attempts raise, or outlast any timeout.
    fatal: The failures must not be retried.
    fail_scopes: Failures and hangs happen only in scopes that end with one of these.
    takes_seconds: Virtual time of an attempt.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal


class SimulatedError(Exception):
    """What a simulated node raises when it may be retried."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What one attempt of a node does.

    `hang` means: take longer than the timeout. `retryable` matters for `raise` alone; where it
    is false the node raises an error of the engine's that forbids a retry.
    """

    kind: Literal["return", "raise", "hang"]
    output: Any = None
    action: str | None = None
    writes: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    retryable: bool = True


def decide(
    params: Mapping[str, Any], *, node_id: str, scope: str, attempt: int, input: Any
) -> Decision:
    """Say what this attempt of this node does with this input."""
    seconds = float(params.get("takes_seconds", 0.0))
    if _may_fail(params, scope):
        if attempt <= params.get("hang_attempts", 0):
            return Decision(kind="hang", seconds=seconds)
        failing = params.get("fail_attempts", 0)
        fatal = bool(params.get("fatal", False))
        if attempt <= failing or (fatal and not failing):
            return Decision(kind="raise", seconds=seconds, retryable=not fatal)
    action = params.get("actions_by_scope", {}).get(scope, params.get("action"))
    return Decision(
        kind="return",
        output=_output(params, node_id=node_id, scope=scope, value=input),
        action=action,
        writes={
            key: _written(value, node_id=node_id, scope=scope, seen=input)
            for key, value in params.get("writes", {}).items()
        },
        seconds=seconds,
    )


def digest(value: Any) -> str:
    """Give six hexadecimal digits that differ when the JSON value differs."""
    return f"{zlib.crc32(canonical(value).encode()):08x}"[:6]


def canonical(value: Any) -> str:
    """Write a JSON value so that equal texts mean equal values, `1` and `true` apart."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def number(value: Any) -> int:
    """Find a number in a value: itself, its `n`, or the largest in what it maps to."""
    if isinstance(value, bool):
        return 0
    if isinstance(value, int):
        return value
    if isinstance(value, list):
        return len(value)
    if isinstance(value, dict):
        if "n" in value:
            return number(value["n"])
        return max((number(member) for member in value.values()), default=0)
    return 0


def _may_fail(params: Mapping[str, Any], scope: str) -> bool:
    scopes = params.get("fail_scopes")
    return scopes is None or any(scope.endswith(suffix) for suffix in scopes)


def _output(params: Mapping[str, Any], *, node_id: str, scope: str, value: Any) -> Any:
    emit = params.get("emit", "tag")
    seen = digest(value)
    if emit == "input":
        return value
    if emit == "value":
        return params.get("value")
    if emit.startswith("list:"):
        return [{"n": index, "seen": seen} for index in range(int(emit[5:]))]
    n = number(value) + 1 if emit == "count" else params.get("n", int(seen, 16) % 7)
    if emit == "number":
        return n
    output = {"at": node_id + scope, "seen": seen, "n": n, "flag": params.get("flag", n % 2 == 0)}
    if "limit" in params:
        output["more"] = n < params["limit"]
    return output


def _written(value: Any, *, node_id: str, scope: str, seen: Any) -> Any:
    if value == "$tag":
        return f"{node_id}{scope}:{digest(seen)}"
    if value == "$next":
        return number(seen) + 1
    return value
