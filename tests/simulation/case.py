"""What one simulated run is made from: a blueprint as JSON, its children, payload and signals."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

BlueprintJson = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """One resume of a wait, or one call of a webhook.

    Args:
        node: Path of node ids from the root run, `subflow/wait` for a wait in a child.
        scope: The scope of the wait in its own run, or None for each opening of that node.
        action: The resume's action.
        output: The resume's output; for a webhook the request.
        early: Sent once at the start of the run, before the node is reached. The others are
            sent whenever the wait is seen open.
    """

    node: str
    scope: str | None = None
    action: str | None = None
    output: Any = None
    early: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A graph to run, with all that decides how the run may end.

    Args:
        blueprint: The root blueprint.
        blueprints: The blueprints of its subflows, by id.
        payload: What the run is submitted with.
        signals: What the outside world sends to it.
        seed: Where it came from; printed when it fails.
        constructs: Names of the language's constructs that occur in it.
    """

    blueprint: BlueprintJson
    blueprints: dict[str, BlueprintJson] = field(default_factory=dict)
    payload: Any = None
    signals: list[Signal] = field(default_factory=list)
    seed: int = 0
    constructs: set[str] = field(default_factory=set)
