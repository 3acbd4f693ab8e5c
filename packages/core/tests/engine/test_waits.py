"""Which node and scope a resume may name."""

from __future__ import annotations

import pytest

from flowcraft.engine.waits import waiting_node
from flowcraft.errors import RunError
from flowcraft.testing import covers
from packages.core.tests.engine.made import LOOP, program, scatter

MADE = program(
    *("s w", "w h", "h t", "t c", "c v continue", "v b", "b g", "g c", "t d", "d e"),
    w="wait",
    h="webhook",
    t={"uses": "sleep", "params": {"duration": "1s"}},
    c=LOOP,
    v="wait",
    b=scatter(worker="wait"),
    g="batch-gather",
    d=scatter("e", worker="f"),
    e="batch-gather",
)
PAIR = program("h w", "w t", h="webhook", w={"uses": "wait", "params": {"eventName": "webhook:h"}})


@pytest.mark.parametrize(
    ("node", "scope"),
    [("w", ""), ("h", ""), ("v", ""), ("v", "/3"), ("b", ""), ("b", "/3/#7")],
)
def test_a_wait_is_named_by_its_node_and_may_be_by_its_scope(node: str, scope: str) -> None:
    """S10.17; without a scope, whichever waits is meant."""
    assert waiting_node(MADE, node, scope) == node


@covers("S10.8")
def test_of_a_pair_the_wait_is_what_suspends() -> None:
    """Whichever of the two is named."""
    assert waiting_node(PAIR, "h", "") == "w"
    assert waiting_node(PAIR, "w", "") == "w"


@pytest.mark.parametrize("node", ["s", "t", "c", "d", "nobody", ""])
def test_a_node_that_is_no_wait_is_refused(node: str) -> None:
    with pytest.raises(RunError) as caught:
        waiting_node(MADE, node, "")
    assert str(caught.value) == f"node {node!r} of blueprint 'b' is no wait"


@covers("S10.17")
@pytest.mark.parametrize(
    ("node", "scope"),
    [("w", "/0"), ("v", "/"), ("v", "/0/0"), ("v", "0"), ("b", "/3"), ("b", "/#7"), ("b", "/3/#")],
)
def test_a_scope_that_the_wait_cannot_have_is_refused(node: str, scope: str) -> None:
    """Of a batch, an item waits and not the batch."""
    with pytest.raises(RunError) as caught:
        waiting_node(MADE, node, scope)
    assert str(caught.value) == f"wait {node!r} of blueprint 'b' has no scope {scope!r}"


@covers("S10.8")
def test_a_refused_scope_of_a_pair_names_the_wait() -> None:
    with pytest.raises(RunError, match="wait 'w' of blueprint 'b' has no scope '/1'"):
        waiting_node(PAIR, "h", "/1")
