"""Function nodes of random graphs: what they emit, read, write, how they fail and are rescued."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.simulation.draft import Draft, Env

_ALWAYS = 99  # more failures than any node has attempts


class FunctionNodes:
    """Draws the function nodes of one blueprint.

    Args:
        draft: The blueprint.
        other_fallback: Draws a fallback that is no function.
    """

    def __init__(self, draft: Draft, *, other_fallback: Callable[[Env], str]) -> None:
        self._draft = draft
        self._dice = draft.dice
        self._other_fallback = other_fallback

    def draw(self, env: Env) -> tuple[str, Env]:
        """Draw one node; gives its id, and what is certain after it."""
        draft = self._draft
        node = draft.node("d." if draft.chance(0.03) else "n", "sim.node")
        name: str = node["id"]
        params: dict[str, Any] = {}
        after = env.plus(name)
        self._emit(name, params)
        if draft.chance(0.12):
            params["action"] = "x"
        if draft.chance(0.15):
            params["takes_seconds"] = self._dice.choice([0.01, 0.5, 30])
            draft.constructs.add("delayed")
        if draft.chance(0.2):
            after = self._write(params, after)
        if draft.chance(0.12) and (sources := self.sources(env)):
            node["inputs"] = self._mapping(sources)
            draft.constructs.add("inputs")
        config = self._fail(env, name, params)
        node.update({k: v for k, v in (("params", params), ("config", config)) if v})
        return name, after

    def sources(self, env: Env) -> list[str]:
        """Name what an `inputs` mapping here may read."""
        found = [*env.readable_keys()[-4:]]
        for name in env.nodes[-4:]:
            found += [name, f"_outputs.{name}", f"{name}.n"]
        if found:
            found.append("nowhere.at.all")
        return found

    def fallback(self, env: Env) -> str:
        """Give a node to stand in for one drawn here: one of its own, or the loop's shared one."""
        draft = self._draft
        if draft.chance(0.4):
            if env.chain not in draft.rescuers:
                draft.rescuers[env.chain] = self.rescuer(env)
            else:
                draft.constructs.add("shared-fallback")
            return draft.rescuers[env.chain]
        draft.constructs.add("fallback")
        return self.rescuer(env)

    def rescuer(self, env: Env) -> str:
        """Draw a node for use as a fallback, which now and then needs one itself."""
        draft = self._draft
        node = draft.node("r", "sim.node", params={})
        name: str = node["id"]
        draft.tags.add(name)
        if draft.chance(0.1):
            node["config"] = {"maxRetries": 2, "retryDelay": 10}
            node["params"]["fail_attempts"] = 1
        elif draft.chance(0.1):
            second = draft.node("r", "sim.node")
            draft.tags.add(second["id"])
            node["params"]["fail_attempts"] = _ALWAYS
            node["config"] = {"fallback": second["id"]}
            draft.constructs.add("fallback-of-a-fallback")
        elif draft.chance(0.04):
            node["params"]["fail_attempts"] = _ALWAYS
        if draft.chance(0.15):
            node["params"]["writes"] = {draft.names.fresh("k"): "$tag"}
        return name

    def worker(self, scatter: dict[str, Any]) -> None:
        """Give a scatter its worker and how its items fail."""
        draft = self._draft
        params: dict[str, Any] = scatter["params"]
        params["workerUsesKey"] = self._dice.choice(["sim.node", "sim.worker"])
        worker: dict[str, Any] = {}
        if draft.chance(0.3):
            worker["writes"] = {f"all{scatter['id']}": "$tag"}
            draft.constructs.add("contended-key")
        if draft.chance(0.2):
            worker["takes_seconds"] = 2
        if draft.chance(0.45):
            worker["fail_scopes"] = self._dice.sample(["/#0", "/#1", "/#2", "/#4"], 2)
            if draft.chance(0.3):
                scatter["config"] = {"maxRetries": 2, "retryDelay": 10}
                worker["fail_attempts"] = 1
                draft.constructs.add("item-retried")
            else:
                worker["fail_attempts"] = _ALWAYS
                params["onItemError"] = "continue" if draft.chance(0.6) else "fail"
                draft.constructs.add(f"on-item-error-{params['onItemError']}")
        elif draft.chance(0.3):
            params["onItemError"] = self._dice.choice(["fail", "continue"])
        params["workerParams"] = worker

    def _emit(self, name: str, params: dict[str, Any]) -> None:
        emit = self._dice.choices(
            ["tag", "number", "input", "value", "list:2"], [10, 1, 1.5, 1, 0.5]
        )[0]
        if emit == "value":
            params["value"] = self._dice.choice(
                [None, False, 0, "", [], {}, True, "text", {"n": 5}]
            )
            self._draft.constructs.add("constant-output")
        elif emit == "tag":
            self._draft.tags.add(name)
            if self._draft.chance(0.5):
                params["flag"] = self._draft.chance(0.8)
            if self._draft.chance(0.3):
                params["n"] = self._dice.randint(0, 9)
            return
        params["emit"] = emit

    def _write(self, params: dict[str, Any], after: Env) -> Env:
        self._draft.constructs.add("context-write")
        if self._draft.chance(0.3):
            # Nobody reads it: several nodes write it in no order.
            params["writes"] = {f"shared_{self._draft.id}": "$tag"}
            self._draft.constructs.add("contended-key")
            return after
        key = self._draft.names.fresh("k")
        params["writes"] = {key: self._dice.choice(["$tag", "$next", 7, None, {"n": 3}])}
        return after.written(key)

    def _mapping(self, sources: list[str]) -> str | dict[str, str]:
        if self._draft.chance(0.4):
            return self._dice.choice(sources)
        return {f"a{index}": self._dice.choice(sources) for index in range(2)}

    def _fail(self, env: Env, name: str, params: dict[str, Any]) -> dict[str, Any]:
        draft = self._draft
        config: dict[str, Any] = {}
        lot = self._dice.random()
        if lot < 0.1:
            config = {
                "maxRetries": self._dice.randint(2, 4),
                "retryDelay": self._dice.choice([5, 900]),
            }
            params["fail_attempts"] = self._dice.randint(1, config["maxRetries"] - 1)
            draft.constructs.add("retries")
        elif lot < 0.15:
            config = {"maxRetries": 2, "retryDelay": 10, "timeout": 60_000}
            params["hang_attempts"] = self._dice.choice([1, 1, 1, 2])
            draft.constructs.add("timeout")
        elif lot < 0.22:
            config = {"maxRetries": self._dice.randint(1, 2), "retryDelay": 10}
            params["fail_attempts"] = _ALWAYS
            draft.constructs.add("failure")
        elif lot < 0.24:
            config = {"maxRetries": 3}
            params["fatal"] = True
            draft.constructs.add("fatal-failure")
        if env.chain and config and draft.chance(0.5):
            params["fail_scopes"] = [f"/{self._dice.randint(0, 1)}"]
        fails = params.get("hang_attempts", params.get("fail_attempts", 0))
        doomed = "fatal" in params or fails >= config.get("maxRetries", 1) > 0
        if draft.chance(0.8 if doomed else 0.04):
            if draft.chance(0.08):
                draft.constructs.add("fallback-not-a-function")
                config["fallback"] = self._other_fallback(env)
                draft.tags.discard(name)
            else:
                config["fallback"] = self.fallback(env)
                if name not in draft.tags:
                    draft.constructs.add("fallback")
        return config
