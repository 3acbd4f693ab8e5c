"""Random graphs fit for real time: no hour of sleep, no timeout that a busy machine would miss."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tests.simulation.case import Case
from tests.simulation.graphs import generate

UNFIT = frozenset({"timeout", "hour"})
LONGEST_SLEEP_MS = 3000


def cases(first_seed: int, count: int) -> Iterator[Case]:
    """The first `count` fit cases from a seed on, each with blueprint ids of its own."""
    found, seed = 0, first_seed
    while found < count:
        case = generate(seed)
        if not case.constructs & UNFIT and not _is_slow(case):
            found += 1
            yield _with_own_ids(case)
        seed += 1


def _is_slow(case: Case) -> bool:
    """Whether a sleep, a delay between attempts or a node would take long."""
    for blueprint in (case.blueprint, *case.blueprints.values()):
        for node in blueprint["nodes"]:
            params = {**node.get("params", {}), **node.get("params", {}).get("workerParams", {})}
            duration = params.get("duration", 0)
            if isinstance(duration, str) or duration > LONGEST_SLEEP_MS:
                return True
            config = node.get("config", {})
            if config.get("retryDelay", 1000) * config.get("maxRetries", 1) > 4000:
                return True
            if "timeout" in config or params.get("hang_attempts"):
                return True
    return False


def _with_own_ids(case: Case) -> Case:
    """Children are named alike in all cases: put the seed before their names."""
    names = {name: f"s{case.seed}.{name}" for name in case.blueprints}

    def renamed(blueprint: dict[str, Any]) -> dict[str, Any]:
        text = json.dumps(blueprint)
        for old, new in names.items():
            text = text.replace(f'"blueprintId": "{old}"', f'"blueprintId": "{new}"')
        return {**json.loads(text), "id": names.get(blueprint["id"], blueprint["id"])}

    return Case(
        blueprint=renamed(case.blueprint),
        blueprints={names[k]: renamed(v) for k, v in case.blueprints.items()},
        payload=case.payload,
        signals=case.signals,
        seed=case.seed,
        constructs=case.constructs,
    )
