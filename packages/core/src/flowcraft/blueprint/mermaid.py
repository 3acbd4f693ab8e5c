"""A blueprint as a picture: the text of a Mermaid flowchart.

Each kind of node has a shape of its own, the body of a loop is a box, a batch is a thick arrow,
and a fallback a dotted one. The same blueprint gives the same text.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from flowcraft.blueprint.model import Blueprint, NodeKind
from flowcraft.blueprint.plan import EdgePlan, NodePlan, Plan, compile_plan

LONGEST_EXPRESSION = 60
"""Characters of an expression that are shown; a label has to fit into a picture."""

_SHAPES: dict[NodeKind, tuple[str, str]] = {
    "function": ("[", "]"),
    "join": ("((", "))"),
    "wait": ("[/", "/]"),
    "webhook": ("[/", "/]"),
    "sleep": ("([", "])"),
    "subflow": ("[[", "]]"),
    "scatter": ("[/", "\\]"),
    "gather": ("[\\", "/]"),
    "loop": ("{{", "}}"),
}

# What has no meaning within a quoted label; all other ASCII is written as its number. A colon
# has none there, but Mermaid takes `style ...: #1;` for a statement wherever it stands.
_PLAIN = frozenset(" _.,()+-/=?!'[]")


def mermaid(blueprint: Blueprint) -> str:
    """Draw a blueprint as a Mermaid flowchart, with a line break at its end.

    Raises:
        BlueprintError: Its graph makes no sense.
    """
    return "\n".join(_lines(compile_plan(blueprint))) + "\n"


def _lines(plan: Plan) -> Iterator[str]:
    yield "---"
    yield f"title: {json.dumps(plan.blueprint.id, ensure_ascii=False)}"
    yield "---"
    yield "flowchart TD"
    # Ids may be any text, and words such as "end" mean something: nodes go by their numbers.
    names = {id_: f"n{number}" for number, id_ in enumerate(plan.nodes)}
    yield from _level(plan, names, ())
    for edge in plan.edges:
        yield f"    {names[edge.source]} {_arrow(plan, edge)} {names[edge.target]}"
    for node in plan.nodes.values():
        if node.fallback is not None:
            yield f'    {names[node.id]} -.->|"fallback"| {names[node.fallback]}'


def _level(plan: Plan, names: dict[str, str], loops: tuple[str, ...]) -> Iterator[str]:
    """The nodes within some loops, each followed by the loop that it controls."""
    indent = "    " * (len(loops) + 1)
    for node in plan.nodes.values():
        if node.loops != loops:
            continue
        left, right = _SHAPES[node.kind]
        yield f'{indent}{names[node.id]}{left}"{_label(node)}"{right}'
        if node.kind == "loop":
            yield f'{indent}subgraph {names[node.id]}_body["loop {_text(node.id)}"]'
            yield from _level(plan, names, (*loops, node.id))
            yield f"{indent}end"


def _label(node: NodePlan) -> str:
    about = _about(node)
    return f"{_text(node.id)}<br/>{_text(about)}" if about else _text(node.id)


def _about(node: NodePlan) -> str:
    """What the picture says of a node beside its id."""
    params = node.node.params
    match node.kind:
        case "function":
            uses = node.node.uses
            about = "" if uses == node.id else uses
        case "loop":
            about = f"while {_short(str(params.get('condition', '')))}"
        case "scatter":
            about = f"each item by {params.get('workerUsesKey', '')}"
        case "gather":
            about = "gather"
        case "subflow":
            about = f"subflow {params.get('blueprintId', '')}"
        case "sleep":
            about = f"sleep {params.get('duration', '')}"
        case "wait" | "webhook" | "join":
            about = node.kind
    if len(node.ins) > 1 and node.node.config.join_strategy == "any":
        about = f"{about}, any".removeprefix(", ")
    return about


def _arrow(plan: Plan, edge: EdgePlan) -> str:
    if plan.nodes[edge.source].kind == "scatter":
        return "==>"
    parts = []
    if edge.action is not None:
        parts.append(edge.action)
    if edge.condition is not None:
        parts.append(f"if {_short(edge.condition)}")
    if edge.transform is not None:
        parts.append(f"as {_short(edge.transform)}")
    return f'-->|"{_text(", ".join(parts))}"|' if parts else "-->"


def _short(expression: str) -> str:
    text = " ".join(expression.split())
    return text if len(text) <= LONGEST_EXPRESSION else text[: LONGEST_EXPRESSION - 3] + "..."


def _text(text: str) -> str:
    """A text that means nothing but itself inside a quoted label."""
    return "".join(
        character if _is_plain(character) else f"#{ord(character)};" for character in text
    )


def _is_plain(character: str) -> bool:
    if character.isascii():
        return character.isalnum() or character in _PLAIN
    return character.isprintable()
