"""The check refuses what is wrong, the generator draws what it should, the shrinker shrinks."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.simulation.case import Case, Signal
from tests.simulation.check import Observed, check
from tests.simulation.coverage import CONSTRUCTS, count
from tests.simulation.graphs import generate
from tests.simulation.hand_written import LOOP, counting, graph, node, through, value
from tests.simulation.play import play
from tests.simulation.shrink import minimise

SEEDS = range(300)


def played(case: Case, seed: int = 0) -> Observed:
    return play(case, dice=random.Random(seed)).observed()


def a_race() -> Case:
    nodes = [value("a", 1), value("b", 2), through("j", config={"joinStrategy": "any"})]
    nodes.append(through("e"))
    return Case(blueprint=graph(nodes, ("a", "j"), ("b", "j"), ("j", "e")))


def changed(observed: Observed, change: Callable[[Observed], object]) -> Observed:
    other = copy.deepcopy(observed)
    change(other)
    return other


def test_whatever_the_interpreter_plays_passes_the_check() -> None:
    for seed in SEEDS:
        case = generate(seed)
        for dice in range(3):
            assert check(case, played(case, dice)) == [], f"seed {seed}, dice {dice}"


def runs_of(observed: Observed) -> list[Observed]:
    return [observed, *(run for child in observed.children.values() for run in runs_of(child))]


def test_every_record_is_compared_whole() -> None:
    for seed in SEEDS:
        case = generate(seed)
        observed = played(case)
        dice = random.Random(seed)
        records = dice.choice(runs_of(observed)).records
        key = dice.choice(sorted(records))
        record = records[key]
        wrong = [replace(record, skipped=record.skipped | {99})]
        wrong.append(replace(record, taken={**record.taken, 98: None}))
        wrong.append(replace(record, winner=97))
        if record.outcome in ("completed", "skipped"):
            wrong.append(replace(record, outcome="failed"))
        else:
            wrong.append(replace(record, outcome="completed"))
            wrong.append(replace(record, error={**(record.error or {}), "node": "other"}))
        is_scatter = key.startswith("b") and "#" not in key
        if record.outcome == "completed" and not is_scatter:
            wrong.append(replace(record, output={"wrong": record.output}))
            wrong.append(replace(record, attempt=record.attempt + 1))
        for one in wrong:
            records[key] = one
            assert check(case, observed), f"seed {seed}, {key}: {one}"


def test_a_record_whose_predecessor_has_none_is_refused() -> None:
    for seed in SEEDS:
        case = generate(seed)
        game = play(case, dice=random.Random(seed))
        records = game.walk.records
        before = [
            k for k, r in records.items() if any(r.bit & o.ready.before for o in records.values())
        ]
        for key in before[:3]:
            broken = game.observed()
            del broken.records[key]
            assert check(case, broken), f"seed {seed}, without {key}"


def test_a_completed_run_must_have_resolved_its_sinks_and_given_their_output() -> None:
    case = a_race()
    observed = played(case)
    assert "run: completed without ['e']" in check(
        case, changed(observed, lambda o: o.records.pop("e"))
    )
    assert check(case, replace(observed, output="other"))
    assert check(case, replace(observed, status="failed"))
    assert check(case, replace(observed, status="cancelled"))
    assert check(case, replace(observed, status="cancelled"), may_be_cancelled=True) == []


def test_a_body_sink_of_an_iteration_begun_must_be_resolved() -> None:
    case = Case(blueprint=graph([*counting(2), node("side")], *LOOP, ("b", "side")))
    broken = changed(played(case), lambda o: o.records.pop("side/0"))
    assert check(case, broken) == ["run: completed without ['side/0']"]


def test_the_loser_of_an_any_join_need_not_be_recorded_and_must_not_be_named() -> None:
    case = a_race()
    observed = played(case)
    winner = observed.records["j"].winner
    loser = {0: "b", 1: "a"}[winner or 0]
    observed.records.pop(loser, None)
    assert check(case, observed) == []
    observed.records["j"].winner = 1 - (winner or 0)
    assert any("nothing recorded leads to" in problem for problem in check(case, observed))


def test_a_run_cancelled_before_a_join_was_decided_is_allowed() -> None:
    case = a_race()
    observed = played(case)
    for key in ("j", "e"):
        del observed.records[key]
    early = replace(observed, status="cancelled", output=None)
    assert check(case, early, may_be_cancelled=True) == []


def test_a_child_begun_before_its_record_must_fit_one_of_the_possible_winners() -> None:
    child = graph([through("x")], name="child")
    blueprint = a_race().blueprint
    blueprint["nodes"][2] |= {"uses": "subflow", "params": {"blueprintId": "child"}}
    case = Case(blueprint=blueprint, blueprints={"child": child})
    observed = played(case)
    for key in ("j", "e"):
        del observed.records[key]
    early = replace(observed, status="cancelled", output=None)
    assert check(case, early, may_be_cancelled=True) == []
    early.children["j", 1].records["x"].output = "other"
    assert check(case, early, may_be_cancelled=True)


def test_the_value_of_a_contended_key_is_that_of_one_of_its_last_writers() -> None:
    nodes = [value("s", 0, writes={"k": 0}), value("a", 1, writes={"k": 1})]
    nodes += [value("b", 2, writes={"k": 2}), through("j")]
    edges = [("s", "a"), ("s", "b"), ("a", "j"), ("b", "j")]
    case = Case(blueprint=graph(nodes, *edges))
    observed = played(case)
    found = [k for k in range(4) if check(case, replace(observed, context={"k": k})) == []]
    assert found == [1, 2]


def test_a_failed_run_has_one_failure_and_names_it() -> None:
    case = Case(blueprint=graph([node("a", fail_attempts=1), node("b", fail_attempts=1)]))
    one, two = played(case, 0), played(case, 1)
    assert {*one.records, *two.records} == {"a", "b"}
    assert check(case, replace(one, errors=[]))
    both = replace(one, records={**one.records, **two.records}, errors=[*one.errors, *two.errors])
    assert check(case, both) == ["run: failed more than once: ['a', 'b']"]


def test_a_wait_is_woken_by_what_was_sent_and_by_an_early_signal_once() -> None:
    nodes = counting(2)
    nodes[2] = node("b", "wait")
    early = Signal(node="b", output={"n": 1}, early=True)
    case = Case(blueprint=graph(nodes, *LOOP), signals=[early, Signal(node="b", output={"n": 2})])
    observed = played(case)
    assert check(case, observed) == []
    observed.records["b/0"].output = {"n": 3}
    assert any("nobody sent" in problem for problem in check(case, observed))
    late = Case(blueprint=graph(nodes, *LOOP), signals=[Signal(node="b", output={"n": 1})] * 2)
    nodes[1]["params"]["maxIterations"] = 2
    twice = played(late)
    assert any("early signal" in p for p in check(replace(late, signals=[early]), twice))


def test_generated_reads_do_not_race() -> None:
    for seed in SEEDS:
        game = play(generate(seed), dice=random.Random(seed), to_the_last=True)
        assert game.races() == [], f"seed {seed}"


def test_a_racing_read_is_found() -> None:
    nodes = [value("a", 1), value("w", 2, writes={"k": 1}), through("r", inputs="k")]
    case = Case(blueprint=graph(nodes, ("a", "w"), ("a", "r")))
    assert play(case, dice=random.Random(0), to_the_last=True).races() == ["r reads key k"]


def test_a_seed_always_gives_the_same_case() -> None:
    assert [generate(seed) for seed in range(50)] == [generate(seed) for seed in range(50)]


def test_every_construct_is_drawn() -> None:
    coverage = count(generate(seed) for seed in range(600))
    assert all(coverage.singles[name] for name in CONSTRUCTS), coverage.line()


@pytest.mark.slow
def test_every_pair_of_constructs_is_drawn() -> None:
    coverage = count(generate(seed) for seed in range(6000))
    assert coverage.missing() == [], coverage.line()


def test_a_failing_case_is_shrunk_to_what_it_needs() -> None:
    def has_wait_after_a_loop(case: Case) -> bool:
        ids = {entry["id"]: entry["uses"] for entry in case.blueprint["nodes"]}
        edges = [(e["source"], e["target"]) for e in case.blueprint["edges"]]
        known = all(source in ids and target in ids for source, target in edges)
        return known and {"loop-controller", "wait"} <= set(ids.values())

    found = next(c for c in map(generate, range(5000)) if has_wait_after_a_loop(c))
    small = minimise(found, has_wait_after_a_loop)
    assert len(small.blueprint["nodes"]) == 2
    assert (small.blueprint["edges"], small.signals, small.blueprints) == ([], [], {})
