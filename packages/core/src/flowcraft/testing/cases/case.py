"""What a case is: blueprints, what the outside does with them, and how its runs must end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from flowcraft.nodes import Context, NodeResult, RunInfo
from flowcraft.testing.graphs import BlueprintJson, Node, node
from flowcraft.testing.wire import never

ALWAYS = 99
"""More failures than any node has attempts."""
STAMP = "stamp"
"""The context key that is as the output of its run, whichever execution was recorded."""
RETRY = "-again"
"""What the id of a run ends in that retries another one of its case."""


class Anything:
    """Equal to all that order may decide."""

    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return 0

    def __repr__(self) -> str:
        return "anything"


ANYTHING = Anything()


class End(NamedTuple):
    """How a run must end; `status` is `gone` for one that was purged."""

    status: str
    output: Any = None
    context: Mapping[str, Any] = {}


class Outside(Protocol):
    """What a case's story can do: `flowcraft.testing.play` does it, whoever dies of it."""

    async def submit(
        self, blueprint_id: str = "g", *, name: str = "", deadline_seconds: float | None = None
    ) -> None:
        """Submit a run; `name` tells it from others of the case."""

    async def submit_once(self, blueprint_id: str = "g") -> None:
        """Submit a run, and do not ask again if one is there, started or not."""

    async def resume(
        self, path: str, output: Any = None, *, action: str | None = None, scope: str = ""
    ) -> None:
        """Resume a wait."""

    async def cancel(self) -> None:
        """Cancel the run."""

    async def retry(self) -> None:
        """Retry the run, which has ended."""

    async def purge(self) -> None:
        """Purge the run, which has ended."""

    async def until_open(self, *paths: str, scope: str = "") -> None:
        """Wait until these waits are open, or were."""

    async def until_over(self, name: str = "") -> None:
        """Wait until a run has ended and its end was announced."""


async def _submit(outside: Outside) -> None:
    await outside.submit()


@dataclass(frozen=True, kw_only=True)
class Case:
    """Something small to run, again and again, with another fault each time.

    Args:
        blueprints: What can be submitted, subflows included; the first one is called `g`.
        ends: How its runs must end, in the order in which the story makes them.
        story: What the outside does.
        payload: What runs are submitted with.
        varies: Activations of which order decides what they give.
        sweeps: Whether a death in it may leave something that only a sweep repairs.
        workers: How many workers there are at once.
    """

    blueprints: tuple[BlueprintJson, ...]
    ends: tuple[End, ...]
    story: Callable[[Outside], Awaitable[None]] = _submit
    payload: Any = None
    varies: frozenset[str] = frozenset()
    sweeps: bool = False
    workers: int = 1


def act(name: str, **members: Any) -> Node:
    """Write a node that gives its input; see `Cast.act` for its params."""
    return node(name, "act", **members)


class Execution(NamedTuple):
    """One try of the code of an activation."""

    run_id: str
    key: str
    attempt: int


@dataclass
class Cast:
    """The nodes of all cases, and what they were asked to do.

    Attributes:
        executions: How often each attempt of each activation was executed.
    """

    executions: Counter[Execution] = field(default_factory=Counter)
    _stamps: int = 0

    async def act(
        self, input: Any, ctx: Context, run: RunInfo, params: dict[str, Any]
    ) -> NodeResult[Any]:
        """Do what the params say, and give the input or what stands there as `value`.

        Params:
            writes: Context keys to set.
            action: The action of the result.
            fails: So many attempts fail.
            scopes: Only those of these scopes fail.
            hangs: So many attempts do not end by themselves.
            fails_first: It fails, unless its run retries another one.
            counts: Give the input with `n` one higher.
            stamps: Give a number that no other execution gives, and set the key `STAMP` to it.
        """
        self.executions[Execution(run.run_id, run.node_id + run.scope, run.attempt)] += 1
        for key, value in params.get("writes", {}).items():
            await ctx.set(key, value)
        if run.attempt <= params.get("fails", 0) and run.scope in params.get("scopes", [run.scope]):
            raise RuntimeError("it was to fail")
        if run.attempt <= params.get("hangs", 0):
            await never()
        if params.get("fails_first") and RETRY not in run.run_id:
            raise RuntimeError("it was to fail in the first run")
        output = {**input, "n": input["n"] + 1} if params.get("counts") else input
        if params.get("stamps"):
            output = self._stamps = self._stamps + 1
            await ctx.set(STAMP, output)
        return NodeResult(output=params.get("value", output), action=params.get("action"))
