"""Waits, webhooks, sleeps and subflows in one process."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from flowcraft.errors import AmbiguousResumeError, RunError, UnknownRunError
from flowcraft.nodes import Context, NodeResult


def wait(**config: Any) -> dict[str, Any]:
    return {"uses": "wait", "config": config}


# --- waits ------------------------------------------------------------------------------------


def test_a_resume_gives_a_wait_its_output_and_action(lab, graph, settled):
    blueprint = graph(
        {"w": "wait", "yes": "echo", "no": "echo"},
        ("w", "yes", {"action": "yes"}),
        ("w", "no", {"action": "no"}),
    )

    async def course(run: Any) -> Any:
        assert run.status() == "running"
        await settled()
        assert (run.status(), run.open_waits()) == ("waiting", ["w"])
        assert run.resume("yes", {"by": "ann"}, "w") == "woke"
        assert (run.status(), run.open_waits()) == ("running", [])
        assert run.resume("no", None, "w") == "refused"
        result = await run.result()
        assert run.resume("no", None, "w") == "refused"
        return result.output

    assert lab.drive(blueprint, course) == {"yes": {"by": "ann"}}


def test_an_early_signal_is_kept_for_the_first_to_wait(lab, graph, settled):
    blueprint = graph({"a": "echo", "w": "wait"}, ("a", "w"))

    async def course(run: Any) -> Any:
        assert run.resume(output=1, node_id="w") == "kept"
        assert run.resume(output=2, node_id="w") == "refused"
        return (await run.result()).output

    assert lab.drive(blueprint, course) == 1


def test_a_resume_that_names_no_node_goes_to_the_only_open_wait(lab, graph, settled):
    blueprint = graph({"v": "wait", "w": "wait"})

    async def course(run: Any) -> Any:
        assert run.resume(output="early") == "kept"
        await settled()
        assert run.open_waits() == ["w"]
        assert run.resume(output="late") == "woke"
        return (await run.result()).output

    assert lab.drive(blueprint, course) == {"v": "early", "w": "late"}


def test_a_resume_among_several_open_waits_must_name_one(lab, graph, settled):
    async def course(run: Any) -> None:
        await settled()
        with pytest.raises(AmbiguousResumeError, match="v, w"):
            run.resume()
        with pytest.raises(RunError, match=r"'x' .* is no wait"):
            run.resume(node_id="x")
        with pytest.raises(RunError, match="action"):
            run.resume("", node_id="w")

    lab.drive(graph({"v": "wait", "w": "wait"}), course)


def test_a_wait_in_a_batch_is_named_by_its_scope(lab, graph, gives, settled):
    params = {"workerUsesKey": "wait", "gatherNodeId": "g"}
    blueprint = graph(
        {"s": gives([1, 2]), "b": {"uses": "batch-scatter", "params": params}, "g": "batch-gather"},
        ("s", "b"),
        ("b", "g"),
    )

    async def course(run: Any) -> Any:
        assert run.resume(output="first", node_id="b", scope="/#0") == "kept"
        await settled()
        assert run.open_waits() == ["b/#1"]
        assert run.resume(output="x", node_id="b", scope="/#0") == "refused"
        assert run.resume(output="second", node_id="b", scope="/#1") == "woke"
        return (await run.result()).output

    assert lab.drive(blueprint, course) == ["first", "second"]


def test_a_wait_in_a_loop_is_woken_once_an_iteration(lab, graph, gives, settled):
    blueprint = graph(
        {
            "s": gives({"again": True}),
            "c": {"uses": "loop-controller", "params": {"condition": "input.again"}},
            "w": "wait",
            "e": "echo",
        },
        ("s", "c"),
        ("c", "w", {"action": "continue"}),
        ("w", "c"),
        ("c", "e"),
    )

    async def course(run: Any) -> Any:
        await settled()
        assert run.resume(output={"again": True}, node_id="w", scope="/0") == "woke"
        assert run.resume(output={"again": True}, node_id="w", scope="/0") == "refused"
        await settled()
        assert run.open_waits() == ["w/1"]
        assert run.resume(output={"again": False}, node_id="w") == "woke"
        return (await run.result()).output

    assert lab.drive(blueprint, course) == {"again": False}


def test_a_wait_beyond_its_timeout_fails_its_attempt(lab, graph):
    config = {"timeout": 3000, "maxRetries": 2, "retryDelay": 1000, "fallback": "r"}
    blueprint = graph({"w": wait(**config), "r": "echo"})

    async def course(run: Any) -> Any:
        await asyncio.sleep(6.5)
        assert run.status() == "waiting"
        result = await run.result()
        error = result.context["_catch_error"]
        return error["message"], error["attempt"], asyncio.get_running_loop().time()

    assert lab.drive(blueprint, course) == ("node 'w' was not resumed within 3000 ms", 2, 7)


def test_a_resume_between_two_attempts_is_used_by_the_next(lab, graph):
    blueprint = graph({"w": wait(timeout=3000, maxRetries=2, retryDelay=1000)})

    async def course(run: Any) -> Any:
        await asyncio.sleep(3.5)
        assert run.status() == "running"
        assert run.resume(output=1, node_id="w") == "woke"
        return (await run.result()).output, asyncio.get_running_loop().time()

    assert lab.drive(blueprint, course) == (1, 4)


def test_a_webhook_gives_the_call_and_its_pair_waits_in_its_stead(lab, graph, settled):
    call = {"body": {"n": 1}, "headers": {}, "method": "POST", "query": {}}
    blueprint = graph(
        {
            "h": "webhook",
            "p": "webhook",
            "w": {"uses": "wait", "params": {"eventName": "webhook:p"}},
        },
        ("p", "w"),
    )

    async def course(run: Any) -> Any:
        await settled()
        assert run.open_waits() == ["h", "w"]
        assert run.resume(output=call, node_id="h") == "woke"
        assert run.resume(output=2, node_id="w") == "woke"
        return (await run.result()).output

    assert lab.drive(blueprint, course) == {"h": call, "w": 2}


def test_the_edges_of_a_wait_see_the_context_as_it_is_when_it_wakes(lab, graph, settled):
    async def writes(ctx: Context) -> None:
        await asyncio.sleep(1)
        await ctx.set("k", "new")

    lab.register("writes", writes)
    blueprint = graph(
        {"w": "wait", "a": "writes", "b": "echo"}, ("w", "b", {"transform": "context.k"})
    )

    async def course(run: Any) -> Any:
        await asyncio.sleep(2)
        run.resume(node_id="w")
        return (await run.result()).output["b"]

    assert lab.drive(blueprint, course, {"k": "old"}) == "new"


# --- sleeps -----------------------------------------------------------------------------------


def test_a_sleep_lasts_and_passes_its_input_on(lab, graph):
    blueprint = graph(
        {"a": {"uses": "sleep", "params": {"duration": "2h"}}, "b": "echo"}, ("a", "b")
    )
    assert lab.run(blueprint, 7).output == 7
    assert lab.seconds == 7200

    async def course(run: Any) -> Any:
        await asyncio.sleep(7199)
        return run.status(), (await run.result()).status

    assert lab.drive(blueprint, course) == ("waiting", "completed")


def test_the_loser_of_a_race_is_cancelled_with_the_end(lab, graph):
    blueprint = graph(
        {
            "w": "wait",
            "z": {"uses": "sleep", "params": {"duration": 1000}},
            "j": {"config": {"joinStrategy": "any"}},
        },
        ("w", "j"),
        ("z", "j"),
    )
    assert lab.run(blueprint, 1).output == {"z": 1}


# --- subflows ---------------------------------------------------------------------------------


def sub(blueprint_id: str, **members: Any) -> dict[str, Any]:
    config = members.pop("config", {})
    return {
        "uses": "subflow",
        "params": {"blueprintId": blueprint_id, **members},
        "config": config,
    }


def test_a_subflow_gets_names_of_the_parent_and_gives_names_of_the_child(lab, graph, gives):
    async def writes(input: Any, ctx: Context) -> Any:
        await ctx.set("key", {"deep": [input["x"]]})
        return input

    lab.register("writes", writes)
    lab.blueprints["child"] = graph(
        {"in.ner": "writes", "last": gives("end")}, ("in.ner", "last"), id="child"
    )
    blueprint = graph(
        {
            "a": gives({"n": 3}),
            "f": sub(
                "child",
                inputs={"x": "a.n", "y": "k"},
                outputs={"one": "key.deep.0", "two": "in.ner.y", "none": "nowhere"},
            ),
        },
        ("a", "f"),
    )
    result = lab.run(blueprint, {"k": "v"})
    assert result.output == "end"
    assert result.context == {"k": "v", "one": 3, "two": "v", "none": None}


def test_a_subflow_that_gives_to_a_key_no_context_holds_fails_and_names_it(lab, graph, gives):
    lab.blueprints["child"] = graph({"a": gives(1)}, id="child")
    result = lab.run(graph({"f": sub("child", outputs={"/errors/a": "a"})}))
    assert result.status == "failed"
    assert "context key '/errors/a'" in result.errors[0].message


def test_a_failed_child_is_a_failed_attempt_and_its_node_is_named(lab, graph):
    async def flaky(input: Any) -> None:
        raise ValueError("boom")

    lab.register("flaky", flaky)
    lab.blueprints["child"] = graph({"bad": "flaky"}, id="child")
    blueprint = graph({"f": sub("child", config={"maxRetries": 2, "retryDelay": 0})})

    async def course(run: Any) -> Any:
        result = await run.result()
        children = run.children()
        assert len({child.run_id for child in children.values()}) == 2
        return result, list(children)

    result, children = lab.drive(blueprint, course, run_id="top")
    assert children == [("f", 1), ("f", 2)]
    (error,) = result.errors
    assert (error.node, error.type, error.attempt) == ("f", "ChildRunError", 2)
    assert error.message.startswith(
        "subflow 'child' of node 'f' failed at node 'bad': boom (run top~"
    )


def test_the_end_of_the_parent_cancels_its_children(lab, graph):
    async def soon() -> None:
        await asyncio.sleep(1)
        raise ValueError("no")

    lab.register("soon", soon)
    lab.blueprints["child"] = graph({"w": "wait"}, id="child")
    blueprint = graph({"f": sub("child"), "b": "soon"})

    async def course(run: Any) -> Any:
        result = await run.result()
        return result.status, [child.status() for child in run.children().values()]

    assert lab.drive(blueprint, course) == ("failed", ["cancelled"])


def test_a_cancelled_child_is_a_failed_attempt(lab, graph, settled):
    lab.blueprints["child"] = graph({"w": "wait"}, id="child")

    async def course(run: Any) -> Any:
        await settled()
        run.children()["f", 1].cancel()
        return (await run.result()).errors[0].message

    message = lab.drive(graph({"f": sub("child")}), course)
    assert message.startswith("subflow 'child' of node 'f' was cancelled (run ")


def test_a_child_beyond_the_timeout_of_its_node_is_cancelled(lab, graph):
    lab.blueprints["child"] = graph({"w": "wait"}, id="child")

    async def course(run: Any) -> Any:
        result = await run.result()
        return result.errors[0].message, run.children()["f", 1].status()

    blueprint = graph({"f": sub("child", config={"timeout": 50})})
    assert lab.drive(blueprint, course) == ("node 'f' did not end within 50 ms", "cancelled")


def test_a_wait_deep_inside_is_named_by_its_path_and_makes_the_run_wait(lab, graph, settled):
    lab.blueprints["inner"] = graph({"w": "wait"}, id="inner")
    lab.blueprints["outer"] = graph({"i": sub("inner")}, id="outer")
    blueprint = graph({"o": sub("outer")})

    async def course(run: Any) -> Any:
        with pytest.raises(UnknownRunError, match="'o'"):
            run.resume(node_id="o/i/w")
        await settled()
        assert run.status() == "waiting"
        assert run.resume(output=5, node_id="o/i/w") == "woke"
        assert run.status() == "running"
        return (await run.result()).output

    assert lab.drive(blueprint, course) == 5


def test_each_item_of_a_batch_can_be_a_child(lab, graph, gives):
    async def name(input: Any) -> NodeResult[Any]:
        return NodeResult({"got": input})

    lab.register("name", name)
    lab.blueprints["child"] = graph({"a": "name"}, id="child")
    params = {
        "workerUsesKey": "subflow",
        "workerParams": {"blueprintId": "child", "inputs": {"x": "k"}},
        "gatherNodeId": "g",
    }
    blueprint = graph(
        {"s": gives([1, 2]), "b": {"uses": "batch-scatter", "params": params}, "g": "batch-gather"},
        ("s", "b"),
        ("b", "g"),
    )
    assert lab.run(blueprint, {"k": 9}).output == [{"got": {"x": 9}}, {"got": {"x": 9}}]


def test_a_child_has_the_deadline_of_its_own_blueprint(lab, graph):
    lab.blueprints["child"] = graph({"w": "wait"}, id="child", metadata={"timeout": 2000})
    result = lab.run(graph({"f": sub("child")}))
    assert "took longer than its 2 s" in result.errors[0].message
    assert lab.seconds == 2
