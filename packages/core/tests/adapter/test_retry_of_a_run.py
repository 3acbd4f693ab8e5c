"""A run that ended is retried: what it recorded is taken over, and the rest executes (S1.36)."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any

import msgspec
import pytest

from flowcraft.engine.record import Record, encode_record
from flowcraft.errors import RunError, UnknownRunError
from flowcraft.nodes import Context
from flowcraft.ports.store import Load, Loaded
from packages.core.tests.adapter.shop import Shop
from packages.core.tests.adapter.stage import LEASE_SECONDS, Stage, virtually
from tests.simulation.hand_written import graph, node


@pytest.fixture
def shop(stage: Stage) -> Shop:
    return Shop(stage)


def chain(*names: str) -> Any:
    nodes = [node(name, "work") for name in names]
    return graph(nodes, *pairwise(names))


def said(record: Record | None) -> bytes:
    """What a record says, but for who wrote it."""
    assert record is not None
    return encode_record(msgspec.structs.replace(record, via="", token="", at=0.0))


@virtually
async def test_what_failed_executes_and_what_completed_does_not(shop: Shop) -> None:
    stage = shop.stage
    old = await shop.fails(chain("a", "b", "c"), broken="b", payload={"n": 1})
    result = await shop.retry()
    assert (result.status, result.output, result.errors) == ("completed", {"n": 1}, [])
    assert shop.ran == ["b", "c"]
    assert said(await stage.record("a")) == said(await stage.record("a", "again"))
    header = await stage.header("again")
    before = await stage.header()
    assert header.retry_of == "run"
    assert (header.blueprint_hash, header.blueprints) == (before.blueprint_hash, before.blueprints)
    assert await stage.client.runs.result_of("run") == old


@virtually
async def test_attempts_count_anew_where_a_node_failed_for_good(shop: Shop) -> None:
    blueprint = graph([node("a", "work", config={"maxRetries": 2, "retryDelay": 10})])
    await shop.fails(blueprint, broken="a")
    shop.broken = {"a"}
    result = await shop.retry()
    assert (result.status, [error.attempt for error in result.errors]) == ("failed", [2])
    assert shop.ran == ["a", "a"]


@virtually
async def test_a_join_gets_what_the_old_run_recorded_for_it(shop: Shop) -> None:
    nodes = [node(name, "work") for name in "abc"] + [node("j", "work")]
    blueprint = graph(nodes, ("a", "j"), ("b", "j"), ("c", "j"))
    shop.stage.settings["concurrency"] = 1
    await shop.fails(blueprint, broken="c", payload=7)
    assert (await shop.retry()).output == {"a": 7, "b": 7, "c": 7}
    assert set(shop.ran) <= {"a", "b", "c", "j"}
    recorded = [key for key in "ab" if await shop.stage.record(key) is not None]
    assert not set(recorded) & set(shop.ran)


@virtually
async def test_the_edge_that_won_an_any_join_wins_it_again(shop: Shop) -> None:
    """The slow branch is the shorter one, and reaches the join first when nothing executes."""
    quick = [f"q{number}" for number in range(9)]
    nodes = [
        node("s", "work"), *(node(name, "work") for name in quick),
        node("slow", "work", seconds=60.0, value="slow"),
        node("j", "work", config={"joinStrategy": "any"}),
        node("k", "work", seconds=200.0),
    ]  # fmt: skip
    edges = [*pairwise(["s", *quick, "j", "k"]), ("s", "slow"), ("slow", "j")]
    await shop.fails(graph(nodes, *edges), broken="k", payload="quick")
    winner = (await shop.stage.until_recorded("j")).winner

    async def slowly(call: str) -> None:
        await asyncio.sleep(0.5)

    shop.stage.workers[0].before = slowly
    await shop.stage.client.runs.retry("run", "again")
    assert (await shop.stage.until_recorded("j", "again")).winner == winner
    assert await shop.stage.record("q8", "again") is not None, "it stands without its cause"
    assert (await shop.stage.result("again")).output == {"q8": "quick"}
    assert shop.ran == ["k"]


@virtually
async def test_edges_stay_as_they_were_decided_whatever_the_context_says_now(shop: Shop) -> None:
    nodes = [
        node("a", "work"), node("yes", "work", value="yes"), node("no", "work", value="no"),
        node("w", "work", writes={"flag": False}), node("z", "work"),
    ]  # fmt: skip
    edges = [
        ("a", "yes", {"condition": "flag"}), ("a", "no", {"condition": "!flag"}),
        ("yes", "w"), ("no", "w"), ("w", "z"),
    ]  # fmt: skip
    await shop.fails(graph(nodes, *edges), broken="z", payload={"flag": True})
    result = await shop.retry()
    assert (result.output, result.context) == ({"yes": "yes"}, {"flag": False})
    assert shop.ran == ["z"]
    skipped = await shop.stage.until_recorded("no", "again")
    assert skipped.outcome == "skipped"


@virtually
async def test_a_loop_goes_on_with_the_iteration_that_failed(shop: Shop) -> None:
    @shop.stage.node("count")
    async def count(input: Any) -> Any:
        return {"n": input["n"] + 1}

    nodes = [
        node("s", "work"), node("c", "loop-controller", condition="input.n < 4"),
        node("n", "count"), node("b", "work"), node("z", "work"),
    ]  # fmt: skip
    edges = [("s", "c"), ("c", "n", {"action": "continue"}), ("n", "b"), ("b", "c"), ("c", "z")]
    await shop.fails(graph(nodes, *edges), broken="b/2", payload={"n": 0})
    counted = shop.stage.calls["count"]
    assert (await shop.retry()).output == {"n": 4}
    assert shop.ran == ["b/2", "b/3", "z"]
    assert shop.stage.calls["count"] - counted == 1


def items(count: int, **params: Any) -> list[Any]:
    scatter = {"workerUsesKey": "work", "gatherNodeId": "g", "chunkSize": 1, **params}
    return [node("s", "value", value=[*range(count)]), node("b", "batch-scatter", **scatter)]


@virtually
async def test_the_items_of_a_batch_are_taken_over_one_by_one(shop: Shop) -> None:
    blueprint = graph([*items(4), node("g", "batch-gather")], ("s", "b"), ("b", "g"))
    await shop.fails(blueprint, broken="b/#2")
    assert (await shop.retry()).output == [0, 1, 2, 3]
    assert shop.ran == ["b/#2", "b/#3"]


@virtually
async def test_an_item_that_was_passed_over_stays_so_and_is_told_again(shop: Shop) -> None:
    nodes = [*items(3, onItemError="continue"), node("g", "batch-gather"), node("z", "work")]
    shop.stage.add(graph(nodes, ("s", "b"), ("b", "g"), ("g", "z")))
    shop.stage.worker()
    shop.broken = {"b/#1", "z"}
    await shop.stage.submit("g")
    old = await shop.stage.result()
    assert (old.status, [error.node for error in old.errors]) == ("failed", ["b", "z"])
    shop.mend()
    result = await shop.retry()
    assert result.output == [0, None, 2]
    assert [(error.node, error.scope) for error in result.errors] == [("b", "/#1")]
    assert shop.ran == ["z"]


@virtually
async def test_a_batch_keeps_its_items_when_its_name_means_another_list_now(shop: Shop) -> None:
    nodes = [
        node("b", "batch-scatter", inputs="list", workerUsesKey="work", gatherNodeId="g"),
        node("g", "batch-gather"),
        node("w", "work", writes={"list": ["other"]}),
        node("z", "work"),
    ]
    blueprint = graph(nodes, ("b", "g"), ("g", "w"), ("w", "z"))
    await shop.fails(blueprint, broken="z", payload={"list": [1, 2]})
    assert (await shop.retry()).output == [1, 2]
    assert (await shop.stage.cells("b/#1", "again"))["input"] == b"2"
    assert shop.ran == ["z"]


@virtually
async def test_the_key_of_a_gather_comes_with_it_unless_it_was_written_later(shop: Shop) -> None:
    nodes = [
        *items(2), node("g", "batch-gather", outputKey="all"), node("y", "work"),
        node("w", "work", writes={"all": "mine"}), node("z", "work"),
    ]  # fmt: skip
    blueprint = graph(nodes, ("s", "b"), ("b", "g"), ("g", "y"), ("y", "w"), ("w", "z"))
    await shop.fails(blueprint, broken="y")
    shop.broken = {"z"}
    middle = await shop.retry(new_id="middle")
    assert middle.context == {"all": "mine"}
    shop.mend()
    assert (await shop.retry("middle", "last")).context == {"all": "mine"}
    # The first run failed before the key was written again.
    shop.broken = {"y"}
    assert (await shop.retry("run", "other")).context == {"all": [0, 1]}


@virtually
async def test_the_key_of_a_gather_is_not_there_before_its_items_are(shop: Shop) -> None:
    nodes = [*items(2), node("g", "batch-gather", outputKey="all"), node("z", "work")]
    blueprint = graph(nodes, ("s", "b"), ("b", "g"), ("g", "z"))
    old = await shop.fails(blueprint, broken="z")
    assert old.context == {"all": [0, 1]}
    shop.stage.workers[0].abandon()
    await shop.stage.client.runs.retry("run", "second")
    await shop.stage.client.runs.cancel("second")
    assert (await shop.stage.client.runs.result_of("second")).context == {}
    shop.stage.worker()
    assert (await shop.retry("second", "third")).context == {"all": [0, 1]}


@virtually
async def test_a_failure_that_was_caught_is_not_tried_again(shop: Shop) -> None:
    nodes = [node("a", "work", config={"fallback": "f"}), node("f", "work"), node("z", "work")]
    shop.stage.add(graph(nodes, ("a", "z")))
    shop.stage.worker()
    shop.broken = {"a", "z"}
    await shop.stage.submit("g", 5)
    await shop.stage.result()
    shop.mend()
    result = await shop.retry()
    assert result.output == 5
    assert shop.ran == ["z"]
    assert result.context["_catch_error"]["node"] == "a"
    assert (await shop.stage.until_recorded("a", "again")).outcome == "caught"


@virtually
async def test_a_fallback_that_failed_executes_alone(shop: Shop) -> None:
    """The fallback is shared, so it stands in the scope of the node that failed."""
    config = {"fallback": "f"}
    nodes = [node("a", "work", config=config), node("b", "work", config=config), node("f", "work")]
    shop.stage.add(graph(nodes, ("a", "b")))
    shop.stage.worker()
    shop.broken = {"b", "f/!b"}
    await shop.stage.submit("g", 5)
    assert (await shop.stage.result()).status == "failed"
    shop.mend()
    assert (await shop.retry()).output == 5
    assert shop.ran == ["f/!b"]


@virtually
async def test_a_run_that_completed_gives_the_same_again(shop: Shop) -> None:
    old = await shop.stage.run(chain("a", "b"), {"n": 1})
    shop.mend()
    new = await shop.retry()
    assert (new.status, new.output, new.context) == (old.status, old.output, old.context)
    assert shop.ran == []


@virtually
async def test_a_run_that_was_cancelled_goes_on(shop: Shop) -> None:
    nodes = [node("a", "work", writes={"k": 1}), node("b", "work", seconds=60.0)]
    shop.stage.add(graph(nodes, ("a", "b")))
    shop.stage.worker()
    await shop.stage.submit("g")
    await shop.stage.until_recorded("a")
    await shop.stage.client.runs.cancel("run")
    shop.mend()
    result = await shop.retry()
    assert (result.status, result.context) == ("completed", {"k": 1})
    assert shop.ran == ["b"]


@virtually
async def test_a_run_that_was_too_late_has_its_whole_time_again(shop: Shop) -> None:
    nodes = [node("a", "work", seconds=40.0), node("b", "work", seconds=40.0)]
    blueprint = {**graph(nodes, ("a", "b")), "metadata": {"timeout": 60_000}}
    old = await shop.stage.run(blueprint)
    assert [error.type for error in old.errors] == ["RunDeadlineError"]
    shop.mend()
    assert (await shop.retry()).status == "completed"
    assert shop.ran == ["b"]


@virtually
async def test_a_retry_of_a_retry_has_what_any_run_before_it_recorded(shop: Shop) -> None:
    """Nobody worked on the second one, so all that the third takes over is of the first."""
    nodes = [node(name, "work") for name in ("a", "b", "c", "j")]
    blueprint = graph(nodes, ("a", "b"), ("b", "c"), ("c", "j"))
    await shop.fails(blueprint, broken="j", payload=1)
    shop.stage.workers[0].abandon()
    await shop.stage.client.runs.retry("run", "second")
    await shop.stage.client.runs.cancel("second")
    shop.stage.worker()
    assert (await shop.retry("second", "third")).output == 1
    assert shop.ran == ["j"]
    assert (await shop.stage.header("third")).retry_of == "second"


@virtually
async def test_a_run_whose_old_run_was_purged_executes_what_it_has_not_taken_over(
    shop: Shop,
) -> None:
    await shop.fails(chain("a", "b", "c"), broken="c", payload=1)
    shop.stage.workers[0].abandon()
    await shop.stage.client.runs.retry("run", "again")
    assert await shop.stage.client.runs.purge("run")
    shop.stage.worker()
    assert (await shop.stage.result("again")).output == 1
    assert shop.ran == ["a", "b", "c"]


@virtually
async def test_what_was_taken_over_stays_when_the_old_run_is_purged(shop: Shop) -> None:
    nodes = [node("a", "work"), node("l", "sleep", duration="1h"), node("b", "work")]
    blueprint = graph(nodes, ("a", "l"), ("l", "b"))
    shop.stage.add(blueprint)
    shop.stage.worker()
    await shop.stage.submit("g", 1)
    await shop.stage.until_recorded("a")
    await shop.stage.client.runs.cancel("run")
    shop.mend()
    await shop.stage.client.runs.retry("run", "again")
    await shop.stage.until_recorded("a", "again")
    assert await shop.stage.client.runs.purge("run")
    assert (await shop.stage.result("again")).output == 1
    assert shop.ran == ["b"]


@virtually
async def test_a_retry_uses_the_blueprint_and_payload_of_the_old_run(shop: Shop) -> None:
    await shop.fails(chain("a", "b"), broken="b", payload={"n": 1})
    shop.stage.add(chain("a", "b", "new"))
    assert (await shop.retry()).output == {"n": 1}
    assert await shop.stage.record("new", "again") is None


@virtually
async def test_a_context_that_a_failed_attempt_wrote_is_not_there(shop: Shop) -> None:
    @shop.stage.node("look")
    async def look(ctx: Context) -> Any:
        return [await ctx.get("done"), await ctx.get("lost")]

    nodes = [
        node("a", "work", writes={"done": 1}), node("b", "work", writes={"lost": 2}),
        node("z", "look"),
    ]  # fmt: skip
    edges = [("a", "b"), ("b", "z", {"condition": "true"})]
    old = await shop.fails(graph(nodes, *edges), broken="b")
    assert old.context == {"done": 1}
    assert (await shop.retry()).output == [1, 2]


@pytest.mark.parametrize("calls", range(1, 40, 3))
def test_a_worker_may_die_anywhere_while_it_takes_over(stage: Stage, calls: int) -> None:
    @virtually
    async def dies() -> None:
        shop = Shop(stage)
        nodes = [*items(3), node("g", "batch-gather", outputKey="all"), node("z", "work")]
        blueprint = graph(nodes, ("s", "b"), ("b", "g"), ("g", "z"))
        await shop.fails(blueprint, broken="z")
        first = stage.workers[0]
        await stage.until_quiet()
        left = calls

        async def before(call: str) -> None:
            nonlocal left
            left -= 1
            if left == 0:
                await first.die()

        first.before = before
        await stage.client.runs.retry("run", "again")
        keeper = asyncio.get_running_loop().create_task(stage.keep_alive())
        result = await stage.result("again")
        keeper.cancel()
        assert (result.output, result.context) == ([0, 1, 2], {"all": [0, 1, 2]})
        assert set(shop.ran) == {"z"}

    dies()


@pytest.mark.parametrize("calls", range(1, 25))
def test_the_old_run_may_be_purged_anywhere_in_between(memory: Stage, calls: int) -> None:
    @virtually
    async def purged() -> None:
        shop = Shop(memory)
        nodes = [*items(3), node("g", "batch-gather", outputKey="all"), node("z", "work")]
        await shop.fails(graph(nodes, ("s", "b"), ("b", "g"), ("g", "z")), broken="z")
        await memory.until_quiet()
        left = calls

        async def before(call: str) -> None:
            nonlocal left
            left -= 1
            if left == 0:
                assert await memory.client.runs.purge("run")

        memory.workers[0].before = before
        result = await shop.retry()
        assert (result.output, result.context) == ([0, 1, 2], {"all": [0, 1, 2]})
        header = await memory.header("again")
        assert header.ended_at is not None
        assert header.ended_at - header.created_at < LEASE_SECONDS, "a message had to come back"

    purged()


@virtually
async def test_only_a_run_that_ended_can_be_retried(shop: Shop) -> None:
    shop.stage.add(graph([node("w", "wait")]))
    await shop.stage.submit("g")
    with pytest.raises(RunError, match="has not ended"):
        await shop.stage.client.runs.retry("run", "again")
    with pytest.raises(UnknownRunError, match="nobody"):
        await shop.stage.client.runs.retry("nobody", "again")


@virtually
async def test_retries_of_one_run_are_runs_of_their_own(shop: Shop) -> None:
    await shop.fails(chain("a", "b"), broken="b", payload=1)
    runs = shop.stage.client.runs
    await asyncio.gather(*(runs.retry("run", f"retry{index}") for index in (1, 2)))
    for index in (1, 2):
        assert (await shop.stage.result(f"retry{index}")).output == 1
    assert shop.ran == ["b", "b"]


@virtually
async def test_a_retry_under_an_id_that_is_taken_is_that_retry_or_refused(shop: Shop) -> None:
    await shop.fails(chain("a", "b"), broken="b", payload=1)
    await shop.retry()
    await shop.stage.client.runs.retry("run", "again")
    assert (await shop.stage.result("again")).output == 1
    assert shop.ran == ["b"]
    for taken in ("run", "again"):
        with pytest.raises(RunError, match=f"'{taken}' exists, and is no retry of"):
            await shop.stage.client.runs.retry("run" if taken == "run" else "again", taken)


@virtually
async def test_a_run_that_is_purged_while_it_is_retried_is_read_whole_or_not_at_all(
    memory: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = Shop(memory)
    blueprint = graph([node("a", "work", writes={"k": 1}), node("b", "work")], ("a", "b"))
    await shop.fails(blueprint, broken="b", payload={"n": 2})
    ports = memory.client.ports
    load = ports.load

    async def load_and_purge(wanted: Load) -> Loaded:
        loaded = await load(wanted)
        await memory.workers[0].adapter.runs.purge("run")
        return loaded

    monkeypatch.setattr(ports, "load", load_and_purge)
    await memory.client.runs.retry("run", "again")
    monkeypatch.undo()
    result = await memory.result("again")
    assert (result.output, result.context) == ({"n": 2}, {"n": 2, "k": 1})
