"""What runs cost in requests on the wire, counted and not timed.

What one more node, branch, join or item costs is measured between a small run and a larger one,
so that what every run costs once does not count, and again between the larger one and one that
is larger still: the same must come out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from flowcraft.testing.checks import check
from flowcraft.testing.graphs import BlueprintJson, batch, chain, fan, graph, node, value
from flowcraft.testing.stage import FAR_SECONDS, Stage

SIZES = (10, 20, 60)
"""How large the runs are that are compared."""
SHARED = 1.0
"""How many requests more one more may cost in the largest: it is by chance how many share one."""
IDLE_SECONDS = 5.0
"""How long an idle worker is watched where time is real."""


def diamonds(count: int, *, name: str) -> BlueprintJson:
    """Write fans of two branches with their joins behind each other."""
    nodes = [node("j0")]
    edges = []
    for index in range(count):
        before, join = f"j{index}", f"j{index + 1}"
        branches = [f"b{index}", f"c{index}"]
        # A join that gave its input would double it each time.
        nodes += [*(node(one) for one in branches), value(join, 1)]
        edges += [edge for one in branches for edge in ((before, one), (one, join))]
    return graph(nodes, *edges, name=name)


class WireBudgets:
    """Runs cost what the harness declares, and no more in larger ones."""

    @check("G7")
    async def test_a_node_of_a_chain_costs_no_more_than_declared(self, stage: Stage) -> None:
        stage.settings["continue_nodes"] = 1000
        await _costs(stage, stage.harness.budget.chain_node, lambda n, name: chain(n, name=name))

    @check("S5.9")
    async def test_a_branch_of_a_fan_costs_no_more_than_declared(self, stage: Stage) -> None:
        budget = stage.harness.budget
        await _costs(
            stage, budget.branch, lambda n, name: fan(n, name=name), growth=budget.member_there
        )

    @check("S5.9")
    async def test_a_join_costs_no_more_than_declared(self, stage: Stage) -> None:
        await _costs(stage, stage.harness.budget.join, lambda n, name: diamonds(n, name=name))

    @check("S8.9", "S8.14")
    async def test_an_item_of_a_batch_costs_no_more_than_declared(self, stage: Stage) -> None:
        budget = stage.harness.budget
        await _costs(
            stage, budget.item, lambda n, name: batch(n, name=name), growth=budget.member_there
        )

    @check("G7")
    async def test_an_idle_worker_makes_no_more_requests_than_declared(self, stage: Stage) -> None:
        seconds = 60.0 if stage.is_virtual else IDLE_SECONDS
        stage.worker()
        await asyncio.sleep(seconds / 2)
        before = stage.numbering.count
        await asyncio.sleep(seconds)
        made = (stage.numbering.count - before) * 60.0 / seconds
        budget = stage.harness.budget.idle_minute
        assert made <= budget, f"{made:g} requests in a minute, {budget:g} are declared"


async def _costs(
    stage: Stage,
    budget: float,
    of_size: Callable[[int, str], BlueprintJson],
    *,
    growth: float = 0.0,
) -> None:
    """Hold what one more costs against a budget, in a small run and in larger ones.

    Args:
        stage: Where they run.
        budget: What one more may cost in the small one.
        of_size: Gives a blueprint of a size and a name.
        growth: By how much each further one may cost more than the one before it.
    """
    stage.settings["sweep_interval_seconds"] = FAR_SECONDS  # a sweep looks at the whole run
    small, larger, largest = [await _requests(stage, of_size(n, f"g{n}")) for n in SIZES]
    first, second, third = SIZES
    one_more = (larger - small) / (second - first)
    later = (largest - larger) / (third - second)
    assert one_more <= budget, f"{one_more:g} requests for one more, {budget:g} are declared"
    most = one_more + SHARED + growth * (third - first) / 2
    assert later <= most, f"{one_more:g} requests for one more, and {later:g} in a larger run"


async def _requests(stage: Stage, blueprint: BlueprintJson) -> int:
    """How many requests a worker makes for a run, until there is nothing left to do."""
    if not stage.workers:
        stage.worker()
        await stage.until_quiet()
    before = stage.numbering.count
    stage.add(blueprint)
    await stage.result(await stage.submit(blueprint["id"], 1, run_id=blueprint["id"]))
    await stage.until_done()
    return stage.numbering.count - before
