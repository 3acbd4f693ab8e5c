"""Random cases: `generate(seed)` gives the same one for the same seed, for ever."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from tests.simulation.blocks import Blocks
from tests.simulation.case import BlueprintJson, Case, Signal
from tests.simulation.draft import KINDS, Draft, Env, Names
from tests.simulation.facts import Facts, kind_of
from tests.simulation.play import Game, play

__all__ = ["Case", "Signal", "generate"]


def generate(seed: int) -> Case:
    """Draw a case: mostly small, now and then large, of every construct in every combination."""
    dice = random.Random(seed)
    constructs: set[str] = set()
    names = Names()
    children: dict[str, BlueprintJson] = {}
    draft = Draft(
        id=f"graph{seed}",
        dice=dice,
        names=names,
        constructs=constructs,
        favoured=frozenset(dice.sample(KINDS, 2)),
    )
    budget = dice.randint(2, 12) if dice.random() < 0.7 else dice.randint(12, 30)
    env = Env(keys=(("p1", ()), ("p2", ())))
    Blocks(draft, children=children).top(env, budget=budget)
    blueprint = draft.blueprint()
    payload: Any = {"n": 0, "flag": True, "p1": dice.randint(0, 9), "p2": {"n": seed % 5}}
    if "loop-of-the-payload" not in constructs and dice.random() < 0.1:
        payload = dice.choice([None, 7, "text", ["a", 1], {}])
        constructs.add("odd-payload")
    case = Case(
        blueprint=blueprint,
        blueprints=_used(blueprint, children),
        payload=payload,
        signals=list(_signals(blueprint, children, path="", dice=dice, constructs=constructs)),
        seed=seed,
        constructs=constructs,
    )
    constructs |= _met(play(case, dice=random.Random(seed)))
    return case


def _used(blueprint: BlueprintJson, known: dict[str, BlueprintJson]) -> dict[str, BlueprintJson]:
    used: dict[str, BlueprintJson] = {}
    waiting = [blueprint]
    while waiting:
        for name in _children(waiting.pop()).values():
            if name not in used:
                used[name] = known[name]
                waiting.append(known[name])
    return used


def _children(blueprint: BlueprintJson) -> dict[str, str]:
    """Give the child blueprint of each node that starts one."""
    found = {}
    for node in blueprint["nodes"]:
        params = node.get("params", {})
        if kind_of(node["uses"]) == "subflow":
            found[node["id"]] = params["blueprintId"]
        elif kind_of(params.get("workerUsesKey", "")) == "subflow":
            found[node["id"]] = params["workerParams"]["blueprintId"]
    return found


def _signals(
    blueprint: BlueprintJson,
    children: dict[str, BlueprintJson],
    *,
    path: str,
    dice: random.Random,
    constructs: set[str],
) -> Iterator[Signal]:
    facts = Facts(blueprint)
    for name, node in facts.nodes.items():
        uses = node.get("params", {}).get("workerUsesKey", node["uses"])
        if kind_of(uses) == "wait":
            actions = [None, *(facts.edges[edge].get("action") for edge in facts.outs[name])]
            may_be_early = not path and uses == node["uses"] and name not in facts.serves
            in_loop = bool(facts.chain[name])
            yield from _resumes(
                path + name,
                [action for action in actions if action not in ("continue", "break")],
                dice=dice,
                constructs=constructs,
                early=may_be_early and dice.random() < 0.3,
                repeats=in_loop or uses != node["uses"],
            )
        elif kind_of(uses) == "webhook":
            for index in range(1 + (dice.random() < 0.2)):
                yield Signal(node=path + name, output=_request(path + name, index))
    for name, child in _children(blueprint).items():
        inner = f"{path}{name}/"
        yield from _signals(children[child], children, path=inner, dice=dice, constructs=constructs)


def _resumes(
    node: str,
    actions: list[str | None],
    *,
    dice: random.Random,
    constructs: set[str],
    early: bool,
    repeats: bool,
) -> Iterator[Signal]:
    def output(index: int) -> Any:
        return {"resumed": node, "number": index, "n": dice.randint(0, 9)}

    if early:
        constructs.add("early-signal")
        yield Signal(node=node, action=dice.choice(actions), output=output(0), early=True)
        if not repeats and dice.random() < 0.5:
            return
    bare = None if dice.random() < 0.15 else output(1)
    yield Signal(node=node, action=dice.choice(actions), output=bare)
    if dice.random() < 0.2:
        constructs.add("two-signals")
        scope = "/0" if repeats and dice.random() < 0.3 else None
        yield Signal(node=node, scope=scope, action=dice.choice(actions), output=output(2))


def _request(node: str, index: int) -> dict[str, Any]:
    body = {"called": node, "n": index}
    return {"body": body, "headers": {"x-call": str(index)}, "method": "POST", "query": {}}


def _met(game: Game) -> set[str]:
    """Name what one play of the case came across, and its drawing could not know."""
    met: set[str] = set()
    for record in game.walk.records.values():
        met |= {"skip"} if record.outcome == "skipped" else set()
        met |= {"caught"} if record.outcome == "caught" else set()
        is_loop = game.walk.facts.kinds[record.ready.node] == "loop"
        if is_loop and record.action == "break" and record.ready.iteration == 0:
            met.add("no-iteration")
    if game.walk.failure is not None:
        met.add("failed-run")
    for child in game.children.values():
        met |= _met(child)
    return met
