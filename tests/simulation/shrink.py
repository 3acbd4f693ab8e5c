"""Make a failing case smaller, so that a person can read it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from tests.simulation.case import BlueprintJson, Case


def minimise(case: Case, still_fails: Callable[[Case], bool]) -> Case:
    """Drop whatever can go while the case still fails.

    Args:
        case: A failing case.
        still_fails: Runs a smaller case and says whether it fails in the same way. Many of those
            tried are no valid blueprints: it must answer False for a case that cannot be loaded.
    """
    smaller = True
    while smaller:
        smaller = False
        for candidate in _candidates(case):
            if still_fails(candidate):
                case, smaller = candidate, True
                break
    return case


def _candidates(case: Case) -> Iterator[Case]:
    """Give the cases that are one step smaller, the largest steps first."""
    for blueprint in _smaller_graphs(case.blueprint):
        yield _tidied(replace(case, blueprint=blueprint))
    for name, child in case.blueprints.items():
        for blueprint in _smaller_graphs(child):
            yield _tidied(replace(case, blueprints={**case.blueprints, name: blueprint}))
    for index in range(len(case.signals)):
        yield replace(case, signals=case.signals[:index] + case.signals[index + 1 :])


def _tidied(case: Case) -> Case:
    """Drop the blueprints and signals that nothing refers to any more."""
    used = {case.blueprint["id"]: case.blueprint}
    waiting = [case.blueprint]
    while waiting:
        for node in waiting.pop()["nodes"]:
            params = node.get("params", {})
            name = (params.get("workerParams") or params).get("blueprintId")
            if name in case.blueprints and name not in used:
                used[name] = case.blueprints[name]
                waiting.append(used[name])
    ids = {node["id"] for blueprint in used.values() for node in blueprint["nodes"]}
    return replace(
        case,
        blueprints={name: child for name, child in case.blueprints.items() if name in used},
        signals=[signal for signal in case.signals if set(signal.node.split("/")) <= ids],
    )


def _smaller_graphs(blueprint: BlueprintJson) -> Iterator[BlueprintJson]:
    for node in reversed(blueprint["nodes"]):
        yield _without(blueprint, node["id"], bridged=False)
        yield _without(blueprint, node["id"], bridged=True)
    for index in range(len(blueprint["edges"])):
        edges = blueprint["edges"]
        yield {**blueprint, "edges": edges[:index] + edges[index + 1 :]}
    for group, depth in (("nodes", 2), ("edges", 1)):
        for index, member in enumerate(blueprint[group]):
            for smaller in _without_members(member, depth=depth):
                members = [*blueprint[group]]
                members[index] = smaller
                yield {**blueprint, group: members}


def _without(blueprint: BlueprintJson, name: str, *, bridged: bool) -> BlueprintJson:
    """Drop a node; bridged, those before it lead to those after it."""
    nodes = [copy.deepcopy(node) for node in blueprint["nodes"] if node["id"] != name]
    for node in nodes:
        if node.get("config", {}).get("fallback") == name:
            del node["config"]["fallback"]
    edges = [e for e in blueprint["edges"] if name not in (e["source"], e["target"])]
    if bridged:
        before = [e for e in blueprint["edges"] if e["target"] == name]
        after = [e for e in blueprint["edges"] if e["source"] == name]
        edges += [{**one, "target": two["target"]} for one in before for two in after]
    return {**blueprint, "nodes": nodes, "edges": edges}


def _without_members(value: dict[str, Any], *, depth: int) -> Iterator[dict[str, Any]]:
    for key, member in value.items():
        if key in ("id", "uses", "source", "target"):
            continue
        yield {name: kept for name, kept in value.items() if name != key}
        if depth > 1 and isinstance(member, dict):
            for smaller in _without_members(member, depth=depth - 1):
                yield {**value, key: smaller}
