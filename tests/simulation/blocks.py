"""Blocks that random graphs are composed of.

Every block has one node to enter by and one to leave by, so that any block fits inside any other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.simulation.case import BlueprintJson
from tests.simulation.draft import Block, Draft, Env
from tests.simulation.facts import Facts
from tests.simulation.function_nodes import FunctionNodes


class Blocks:
    """Draws the blocks of one blueprint; the blueprints of subflows go to `children`."""

    def __init__(self, draft: Draft, *, children: dict[str, BlueprintJson]) -> None:
        self._draft = draft
        self._dice = draft.dice
        self._children = children
        self._functions = FunctionNodes(draft, other_fallback=self._other_fallback)

    def top(self, env: Env, *, budget: int, doomed: bool = False) -> None:
        """Draw a whole blueprint of about `budget` nodes; a doomed one always fails."""
        draft = self._draft
        if budget >= 4 and draft.chance(0.2):
            draft.constructs.add("several-starts")
            ways = [self.any_block(env, budget // 2), self.any_block(env, budget // 2)]
            if draft.chance(0.6):
                join = self._join(strategy="all")
                for way in ways:
                    draft.link(way.exit, join, way.env)
                end = Block(entry=join, exit=join, env=env)
            else:
                end = ways[1]
        elif not draft.depth and draft.chance(0.08):
            draft.constructs.add("loop-of-the-payload")
            start = draft.node("j", "join")["id"]
            end = self.loop(env.plus(start), budget, seeded=False)
            draft.edge(start, end.entry)
        else:
            end = self.sequence(env, budget)
        if draft.chance(0.2):
            self._dangle(end, budget=3)
            draft.constructs.add("several-sinks")
        if doomed:
            last = draft.node("n", "sim.node", params={"fail_attempts": 99})
            draft.edge(end.exit, last["id"])

    def any_block(self, env: Env, budget: int) -> Block:
        """Draw one block, whatever the dice and the budget allow."""
        draft = self._draft
        kinds: dict[str, tuple[float, int, Callable[[Env, int], Block]]] = {
            "function": (4.0, 1, self.function),
            "sleep": (0.6, 1, self._sleep),
            "wait": (0.7, 1, self._wait),
            "webhook": (0.5, 1, self._webhook),
            "sequence": (3.0, 2, self.sequence),
            "double": (1.2, 3, self._double),
            "parallel": (3.0, 4, self._parallel),
            "by-action": (2.0, 4, self._by_action),
            "rescued-join": (1.2, 3, self._rescued_join),
            "shared-rescue": (0.8, 3, self._shared_rescue),
            "loop": (3.0, 3, self.loop),
            "batch": (2.2, 3, self._batch),
            "early-end": (1.0, 2, self._early_end),
        }
        if draft.depth < 2:
            kinds["subflow"] = (1.6, 1, self._subflow)
        fitting = [(name, *kind) for name, kind in kinds.items() if kind[1] <= budget]
        weights = [
            # With much room left, prefer what fills it.
            share * (min(size, 4) if budget > 5 else 1) * (4 if name in draft.favoured else 1)
            for name, share, size, _ in fitting
        ]
        return self._dice.choices(fitting, weights)[0][3](env, budget)

    def function(self, env: Env, budget: int) -> Block:
        """Draw a single function node."""
        name, after = self._functions.draw(env)
        return Block(entry=name, exit=name, env=after)

    def sequence(self, env: Env, budget: int) -> Block:
        """Draw blocks one after the other."""
        first = self.any_block(env, max(1, budget // self._dice.randint(2, 4)))
        rest = budget - max(1, budget // 2)
        entry, last = first.entry, first
        while rest > 0:
            share = self._dice.randint(1, max(1, rest))
            following = self.any_block(last.env, share)
            self._draft.link(last.exit, following.entry, last.env)
            last = following
            rest -= share + 1
        return Block(entry=entry, exit=last.exit, env=last.env)

    # --- single nodes that the engine has built in --------------------------------------------

    def _built_in(self, env: Env, prefix: str, kind: str, params: dict[str, Any]) -> Block:
        alias = {"sleep": "SleepNode", "wait": "WaitNode", "webhook": "WebhookNode"}[kind]
        uses = alias if self._draft.chance(0.1) else kind
        name = self._draft.node(prefix, uses, params=params)["id"]
        self._draft.constructs.add(kind)
        return Block(entry=name, exit=name, env=env.plus(name))

    def _sleep(self, env: Env, budget: int) -> Block:
        duration = self._dice.choice([0, 5, 1500, "2s", "1m", "1h"])
        return self._built_in(env, "s", "sleep", {"duration": duration})

    def _wait(self, env: Env, budget: int) -> Block:
        return self._built_in(env, "w", "wait", {})

    def _webhook(self, env: Env, budget: int) -> Block:
        return self._built_in(env, "h", "webhook", {})

    def _join(self, *, strategy: str) -> str:
        config = {"joinStrategy": strategy} if strategy == "any" or self._draft.chance(0.2) else {}
        if self._draft.chance(0.4):
            self._draft.constructs.add("join-node")
            node = self._draft.node("j", "join", config=config)
        else:
            node = self._draft.node("j", "sim.node", config=config)
            self._draft.tags.add(node["id"])
        self._draft.constructs.add(f"{strategy}-join")
        name: str = node["id"]
        return name

    def _subflow(self, env: Env, budget: int) -> Block:
        draft = self._draft
        params, sinks = self._child(budget)
        node = draft.node("f", "SubflowNode" if draft.chance(0.1) else "subflow", params=params)
        sources = self._functions.sources(env)
        if sources and draft.chance(0.35):
            draft.constructs.add("subflow-inputs")
            params["inputs"] = {
                draft.names.fresh("i"): self._dice.choice(sources) for _ in range(2)
            }
        after = env.plus(node["id"])
        if draft.chance(0.3):
            draft.constructs.add("subflow-outputs")
            key = draft.names.fresh("k")
            params["outputs"] = {key: self._dice.choice(sinks)}
            after = after.written(key)
        if env.chain:
            draft.constructs.add("subflow-in-loop")
        if "doomed" in self._children[params["blueprintId"]]["id"]:
            node["config"] = {"maxRetries": self._dice.randint(1, 3), "retryDelay": 20}
            if draft.chance(0.8):
                node["config"]["fallback"] = self._functions.fallback(env)
        return Block(entry=node["id"], exit=node["id"], env=after)

    def _child(self, budget: int) -> tuple[dict[str, Any], list[str]]:
        draft = self._draft
        draft.constructs.add("subflow" if not draft.depth else "subflow-in-subflow")
        doomed = draft.chance(0.15)
        if doomed:
            draft.constructs.add("failing-child")
        # Only what is complete may be used again: a blueprint must not contain itself.
        reusable = [] if draft.depth or doomed else sorted(self._children)
        if reusable and draft.chance(0.15):
            name = self._dice.choice(reusable)
            draft.constructs.add("child-used-twice")
        else:
            name = draft.names.fresh("doomed" if doomed else "child")
            child = Draft(
                id=name,
                dice=draft.dice,
                names=draft.names,
                constructs=draft.constructs,
                depth=draft.depth + 1,
                favoured=draft.favoured,
            )
            Blocks(child, children=self._children).top(Env(), budget=budget // 2, doomed=doomed)
            self._children[name] = child.blueprint()
        return {"blueprintId": name}, Facts(self._children[name]).sinks

    def _other_fallback(self, env: Env) -> str:
        if self._draft.depth < 2 and self._draft.chance(0.5):
            name: str = self._draft.node("f", "subflow", params=self._child(2)[0])["id"]
            return name
        return self._wait(env, 1).entry

    # --- ways that part and meet --------------------------------------------------------------

    def _double(self, env: Env, budget: int) -> Block:
        self._draft.constructs.add("double-edge")
        one = self.function(env, 1)
        two = self.any_block(one.env, budget - 2)
        for _ in range(2):
            self._draft.link(one.exit, two.entry, one.env, often=0.5)
        return Block(entry=one.entry, exit=two.exit, env=two.env)

    def _parallel(self, env: Env, budget: int) -> Block:
        split = self.function(env, 1)
        strategy = self._dice.choice(["all", "all", "any"])
        begin = split.env if strategy == "all" else split.env.detached()
        count = self._dice.choice([2, 2, 3])
        ways: list[Block] = []
        join = self._join(strategy=strategy)
        for _ in range(count):
            if self._draft.chance(0.12):
                self._draft.link(split.exit, join, split.env, often=0.5)
                continue
            way = self.any_block(begin, max(1, (budget - 2) // count))
            self._draft.link(split.exit, way.entry, split.env, often=0.35)
            self._draft.link(way.exit, join, way.env)
            ways.append(way)
        return self._met(split, ways, join, strategy)

    def _by_action(self, env: Env, budget: int) -> Block:
        self._draft.constructs.add("action")
        if self._draft.chance(0.3):
            split = self._wait(env, 1)
        else:
            split = self.function(env, 1)
            params = self._draft.nodes_by_id(split.entry).setdefault("params", {})
            params["action"] = self._dice.choice(["left", "right", "other"])
            if env.chain and self._draft.chance(0.5):
                params["actions_by_scope"] = {"/0": "left", "/1": "right", "/0/0": "right"}
        strategy = self._dice.choice(["all", "all", "any"])
        begin = split.env if strategy == "all" else split.env.detached()
        join = self._join(strategy=strategy)
        ways: list[Block] = []
        for action in self._dice.sample(["left", "right", None], self._dice.choice([2, 3])):
            way = self.any_block(begin, max(1, (budget - 2) // 3))
            condition = "result.action" if self._draft.chance(0.1) else None
            self._draft.edge(split.exit, way.entry, action=action, condition=condition)
            self._draft.link(way.exit, join, way.env)
            ways.append(way)
        return self._met(split, ways, join, strategy)

    def _met(self, split: Block, ways: list[Block], join: str, strategy: str) -> Block:
        together = split.env
        if strategy == "all":
            together = split.env.together([way.env for way in ways])
        return Block(entry=split.entry, exit=join, env=together.plus(join))

    def _rescued_join(self, env: Env, budget: int) -> Block:
        """Draw a node that may fail, whose fallback has a way of its own to where both meet."""
        draft = self._draft
        draft.constructs.add("fallback-with-edges")
        params = {"fail_attempts": self._dice.choice([0, 9])}
        risky = draft.node("n", "sim.node", params=params)
        rescuer = self._functions.rescuer(env)
        risky["config"] = {"fallback": rescuer}
        draft.tags.add(risky["id"])
        certain = env.plus(risky["id"])
        join = self._join(strategy=self._dice.choice(["all", "all", "any"]))
        draft.link(risky["id"], join, certain)
        if draft.chance(0.5):
            draft.edge(rescuer, join)
            return Block(entry=risky["id"], exit=join, env=certain.plus(join))
        own = self.any_block(certain.detached(), max(1, budget - 3))
        draft.edge(rescuer, own.entry)
        if draft.chance(0.7):
            draft.link(own.exit, join, own.env)
        return Block(entry=risky["id"], exit=join, env=certain.plus(join))

    def _shared_rescue(self, env: Env, budget: int) -> Block:
        """Draw nodes that may fail one after the other, with one fallback for all of them."""
        draft = self._draft
        draft.constructs.add("shared-fallback")
        rescuer = self._functions.rescuer(env)
        names: list[str] = []
        for _ in range(self._dice.choice([2, 2, 3])):
            params = {"fail_attempts": self._dice.choice([0, 9, 9])}
            risky = draft.node("n", "sim.node", params=params, config={"fallback": rescuer})
            draft.tags.add(risky["id"])
            if names:
                draft.link(names[-1], risky["id"], env.plus(*names))
            names.append(risky["id"])
        return Block(entry=names[0], exit=names[-1], env=env.plus(*names))

    def _early_end(self, env: Env, budget: int) -> Block:
        block = self.any_block(env, max(1, budget - 2))
        self._dangle(block, budget=2)
        return block

    def _dangle(self, block: Block, *, budget: int) -> None:
        self._draft.constructs.add("body-sink" if block.env.chain else "early-end")
        branch = self.any_block(block.env.detached(), budget)
        self._draft.link(block.exit, branch.entry, block.env, often=0.5)

    # --- loops and batches --------------------------------------------------------------------

    def loop(self, env: Env, budget: int, *, seeded: bool = True) -> Block:
        """Draw a loop; without a seed it is given the run's payload."""
        draft = self._draft
        draft.constructs.add("nested-loop" if env.chain else "loop")
        limit = self._dice.choice([0, 1, 2, 2, 3] if len(env.chain) < 2 else [0, 1, 2])
        # A key is read anew by each evaluation, so it must not be written by a late iteration.
        forms = ["input", "path"] if env.loose else ["input", "path", "key", "key"]
        form = self._dice.choice(forms) if seeded else "input"
        key = draft.names.fresh("k")
        conditions = {
            "input": f"input.n < {limit}",
            "path": "input.more",
            "key": self._dice.choice([f"context.{key} < {limit}", f"{key} < {limit}"]),
        }
        params: dict[str, Any] = {"condition": conditions[form]}
        if draft.chance(0.12):
            params["maxIterations"] = self._dice.choice([1, 5, 9])
            draft.constructs.add("max-iterations")
        loop = draft.node("c", "loop-controller", params=params)
        name: str = loop["id"]
        draft.loops.add(name)
        draft.constructs.add(f"loop-by-{form}")
        entry, outer = name, env
        if seeded:
            seed = draft.node("n", "sim.node", params={"n": 0, "limit": limit})
            entry, outer = seed["id"], env.plus(seed["id"])
            if form == "key":
                seed["params"]["writes"] = {key: 0}
            draft.tags.add(entry)
            draft.link(entry, name, outer, often=0.05, keep_value=True)
            if form == "key" and draft.chance(0.2):
                draft.constructs.add("several-entries")
                draft.link(entry, name, outer, often=0.4)
        step = draft.node("n", "sim.node", params={"emit": "count", "limit": limit})
        draft.tags.add(step["id"])
        inner = outer.inside(name).plus(step["id"])
        guard = "input.n < 1" if form != "key" and draft.chance(0.06) else None
        draft.edge(name, step["id"], action="continue", condition=guard)
        if form == "key":
            step["inputs"] = key
            step["params"]["writes"] = {key: "$next"}
            inner = inner.written(key)
        end = self._body(loop, step["id"], inner, budget - 3, by_key=form == "key")
        if draft.chance(0.25):
            self._dangle(Block(entry=step["id"], exit=step["id"], env=inner), budget=2)
        if draft.chance(0.08):
            draft.constructs.add("body-sink")
            side = self.any_block(outer.inside(name).detached(), 1)
            draft.edge(name, side.entry, action="continue")
        return Block(entry=entry, exit=name, env=outer.outside(end).plus(name))

    def _body(self, loop: dict[str, Any], step: str, env: Env, budget: int, *, by_key: bool) -> Env:
        draft = self._draft
        name = loop["id"]
        if by_key and budget >= 2 and draft.chance(0.4):
            strategy = self._dice.choice(["all", "any"])
            draft.constructs.add(f"several-back-edges-{strategy}")
            loop["config"] = {"joinStrategy": strategy}
            begin = env if strategy == "all" else env.detached()
            ways = [self.any_block(begin, max(1, budget // 2)) for _ in range(2)]
            for way in ways:
                draft.link(step, way.entry, env)
                draft.link(way.exit, name, way.env)
            return env.together([way.env for way in ways]) if strategy == "all" else env
        if budget < 1 or draft.chance(0.25):
            draft.link(step, name, env, often=0.05, keep_value=not by_key)
            return env
        nests = budget >= 3 and draft.chance(0.25)
        middle = self.loop(env, budget) if nests else self.any_block(env, budget)
        draft.link(step, middle.entry, env)
        if by_key and draft.chance(0.5):
            draft.link(middle.exit, name, middle.env, often=0.05)
            return middle.env
        tail = draft.node("n", "sim.node", params={"emit": "input"})
        tail["inputs"] = self._dice.choice([step, f"_outputs.{step}"])
        draft.tags.add(tail["id"])
        draft.link(middle.exit, tail["id"], middle.env, often=0.06)
        draft.link(tail["id"], name, middle.env, often=0.05, keep_value=True)
        return middle.env.plus(tail["id"])

    def _batch(self, env: Env, budget: int) -> Block:
        draft = self._draft
        count = self._dice.choice([0, 1, 2, 3, 5, 7])
        draft.constructs.add({0: "batch-of-none", 1: "batch-of-one"}.get(count, "batch"))
        source = draft.node("n", "sim.node", params={"emit": f"list:{count}"})
        scatter = draft.node("b", "batch-scatter")
        gather = draft.node("g", "batch-gather", params={"gatherNodeId": ""})
        gather["params"] = {"gatherNodeId": gather["id"]} if draft.chance(0.5) else {}
        params: dict[str, Any] = {"gatherNodeId": gather["id"]}
        scatter["params"] = params
        if draft.chance(0.6):
            params["chunkSize"] = self._dice.choice([1, 2, 3])
            if params["chunkSize"] < count:
                draft.constructs.add("batch-beyond-chunk")
        if env.chain:
            draft.constructs.add("batch-in-loop")
        draft.edge(source["id"], scatter["id"])
        draft.edge(scatter["id"], gather["id"])
        self._functions.worker(scatter)
        kind = self._dice.random()
        if kind < 0.15 and draft.depth < 2 and budget >= 4:
            draft.constructs.add("batch-of-subflows")
            params["workerUsesKey"] = "subflow"
            params["workerParams"] = self._child(budget - 3)[0]
        elif kind < 0.22:
            draft.constructs.add("batch-of-waits")
            params["workerUsesKey"] = "wait"
            params["workerParams"] = {}
        certain = env.plus(source["id"], gather["id"])
        return Block(entry=source["id"], exit=gather["id"], env=certain)
