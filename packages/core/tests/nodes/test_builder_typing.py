"""What a type checker says about flows: `mypy --strict` reads this file.

`assert_type` fails the check where a type is another one, and an unused `type: ignore` fails
it where an edge that does not fit is let through.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, assert_type

from flowcraft.builder import NodeRef, create_flow
from flowcraft.nodes import BaseNode, Context, Depends, NodeOptions, NodeResult, node, options_of


class Order:
    pass


async def parse(text: str) -> int:
    return len(text)


def double(number: int, *, params: dict[str, int]) -> int:
    return number * 2


async def decide(
    number: int, ctx: Context, pool: Annotated[Order, Depends("pool")]
) -> NodeResult[str]:
    return NodeResult("yes", action="approve")


async def from_context(ctx: Context, number: int) -> float:
    return 0.5


async def many(number: int) -> list[str]:
    return []


async def nothing() -> int:
    return 1


async def merge(values: dict[str, Any]) -> int:
    return len(values)


@node(attempts=3)
async def decorated(number: int) -> str:
    return ""


class Step(BaseNode[int, str]):
    async def exec(self, prepared: int, ctx: Context) -> str:
        return str(prepared)


def test_a_node_has_the_types_of_its_function() -> None:
    flow = create_flow("typed")
    assert_type(flow.node(parse), NodeRef[str, int])
    assert_type(flow.node(double), NodeRef[int, int])
    assert_type(flow.node(decide, id="d"), NodeRef[int, str])
    assert_type(flow.node(Step), NodeRef[int, str])
    assert_type(flow.node(decorated), NodeRef[int, str])
    assert_type(flow.node(from_context), NodeRef[Any, float])
    assert_type(flow.node(nothing), NodeRef[Any, Any])
    assert options_of(decorated) == NodeOptions(attempts=3)


def test_a_map_takes_and_gives_lists() -> None:
    flow = create_flow("typed")
    numbers = flow.node(many)
    assert_type(flow.map(parse, over=numbers), NodeRef[Sequence[str], list[int]])
    flow.map(double, over=numbers)  # type: ignore[misc, arg-type]


def test_an_edge_whose_ends_do_not_fit_is_an_error_of_the_type_checker() -> None:
    flow = create_flow("typed")
    text_to_int, int_to_int = flow.node(parse), flow.node(double)
    choice, merged = flow.node(decide), flow.node(merge)
    flow.edge(text_to_int, int_to_int)
    flow.edge(int_to_int, choice, when="result.output > 1")
    flow.edge(choice, text_to_int, action="approve")
    flow.edge(text_to_int, text_to_int)  # type: ignore[misc]
    # A transform, an id, or a target that takes a mapping by source: nothing to compare.
    flow.edge(text_to_int, text_to_int, transform="string(result.output)")
    flow.edge(text_to_int, text_to_int.id)
    flow.edge("parse", text_to_int)
    flow.edge(text_to_int, merged)
    flow.edge(choice, merged)
    assert len(flow.to_blueprint().edges) == 9
