"""Plays a case once, with one thing that goes wrong or nothing, and says what came of it.

The calls of its workers and of those outside who submit, resume and cancel are numbered together,
from 1, so that a fault can come at each of them. A worker that dies is replaced by another; what
somebody outside could not finish, the next one does again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple, TypeVar

from flowcraft.adapter.base import BaseDistributedAdapter
from flowcraft.engine.cells import OPEN
from flowcraft.errors import BackendUnavailableError
from flowcraft.ports.contract import decode_job
from flowcraft.ports.queue import Delivery
from flowcraft.testing.cases import Case, Cast
from flowcraft.testing.cases.case import RETRY, Execution
from flowcraft.testing.seen import Seen, differences, paths, records, see, wrong_end
from flowcraft.testing.stage import FAR_SECONDS, Stage
from flowcraft.testing.wire import Call, Numbering
from flowcraft.testing.worker import Worker

T = TypeVar("T")

PATIENCE_LEASES = 60.0
"""How long anything in a play may take: reached only when something is broken."""
ASK_AGAIN_SECONDS = 0.1
"""How long somebody outside leaves a backend alone that did not answer."""


class Fault:
    """What goes wrong in a play; this one does nothing.

    Attributes:
        sweeps: Whether it may leave something that only a sweep repairs.
        waits_for_leases: Whether what a dead worker held comes back by itself only.
        workers: How many workers there are at least.
    """

    sweeps = False
    waits_for_leases = False
    workers = 1

    def settings(self, number: int) -> Mapping[str, Any]:
        """What the worker of this number is made with; see `Stage.make_worker`."""
        del number
        return {}

    def prepare(self, worker: Worker) -> None:
        """Change a worker that is about to start, or somebody outside."""

    async def at_call(self, play: Play, who: Worker, call: Call, *, is_after: bool) -> None:
        """Wait, raise, or never come back, at a call of a worker or of somebody outside."""

    async def at_message(self, play: Play, who: Worker, delivery: Delivery) -> bool:
        """Whether a message is handled; if not, it is lost."""
        del play, who, delivery
        return True

    async def until_over(self) -> None:
        """Wait until nothing of it is still to come."""

    def wrong(self, play: Play, played: Played, calm: Played) -> Iterator[str]:
        """What is wrong besides the outcome."""
        del play, played, calm
        yield from ()


CALM = Fault()


class Played(NamedTuple):
    """What a play came to.

    Attributes:
        runs: Its runs, by name; None for one that is gone.
        calls: How many calls there were until all was done.
        messages: How many messages were taken.
        redelivered: How many of them may have been taken before.
        seconds: How long it took until all runs had ended.
        executions: How often each attempt was executed, by the names of run and activation.
        problems: What is wrong by itself.
    """

    runs: Mapping[str, Seen | None]
    calls: int
    messages: int
    redelivered: int
    seconds: float
    executions: Mapping[tuple[str, str, int], int]
    problems: list[str]


class Play:
    """One case, played once; other plays over the same stage may have come before.

    Args:
        stage: Where the case's blueprints and nodes are known.
        case: What is played.
        cast: Its nodes.
        name: What the ids of its runs begin with, and no other play's.
        fault: What goes wrong.

    Attributes:
        trace: Every call, and whose it was.
    """

    def __init__(
        self, stage: Stage, case: Case, cast: Cast, *, name: str, fault: Fault = CALM
    ) -> None:
        self.stage = stage
        self.trace: list[str] = []
        self._case = case
        self._cast = cast
        self._name = name
        self._fault = fault
        self._numbering = Numbering()
        self._everybody: list[Worker] = []
        self._runs: dict[str, str] = {}
        self._background: list[asyncio.Task[None]] = []
        self._recorded: dict[Execution, int] = {}
        self._messages = 0
        self._redelivered = 0
        self._outside_died = asyncio.Event()
        self._outside = self._make("outside")

    # -- from beginning to end

    async def run(self) -> Played:
        """Play it, and leave the stage as it was."""
        self._cast.executions.clear()
        try:
            for _ in range(max(self._case.workers, self._fault.workers)):
                self.start_worker()
            return await self._run()
        finally:
            await self._leave()

    async def _run(self) -> Played:
        loop = asyncio.get_running_loop()
        started = loop.time()
        await self._case.story(self)
        for name in self._runs:
            await self.until_over(name)
        seconds = loop.time() - started
        await self.stage.until_done()
        calls, messages = self._numbering.count, self._messages
        first = await self._see()
        await self._fault.until_over()
        await self._until_quiet()
        runs = await self._see()
        problems = [*self._left_behind(first, runs), *await self._left_over()]
        names = paths(runs)
        executions = {
            (names.get(what.run_id, "gone"), what.key, what.attempt): times
            for what, times in self._cast.executions.items()
        }
        came_back = self._redelivered
        return Played(runs, calls, messages, came_back, seconds, executions, problems)

    def wrong(self, played: Played, calm: Played) -> list[str]:
        """List all that is wrong with this play, beside the same one without a fault."""
        problems = list(played.problems)
        for (name, seen), end in zip(played.runs.items(), self._case.ends, strict=True):
            problems += [f"{self._name}{name}: {what}" for what in wrong_end(end, seen)]
            before = calm.runs[name]
            if seen is not None and before is not None:
                problems += differences(self._case, before, seen, name)
        for what in played.executions.keys() - calm.executions.keys():
            if what[0] != "gone":
                problems.append(f"{what} was executed, and nothing leads to it")
        for execution, times in self._recorded.items():
            if self._cast.executions[execution] > times:
                problems.append(f"{execution} was executed again though it was recorded")
        problems += self._fault.wrong(self, played, calm)
        return problems

    async def _see(self) -> dict[str, Seen | None]:
        return {name: await see(self.stage.client, id_) for name, id_ in self._runs.items()}

    async def _until_quiet(self) -> None:
        """Wait until no message is left, and no timer that would make one."""

        async def holds() -> bool:
            return not await self.stage.timers()

        await self.stage.until_quiet()
        while not await holds():
            await self._until(holds)
            await self.stage.until_quiet()

    def _left_behind(
        self, first: Mapping[str, Seen | None], last: Mapping[str, Seen | None]
    ) -> Iterator[str]:
        """What changed after the end."""
        for name, before in first.items():
            now = last[name]
            if before is None or now is None:
                if before is not now:
                    yield f"run {name} is {'gone' if now is None else 'there again'}"
                continue
            if before.result != now.result:
                yield f"the result changed after the end: {now.result}, it was {before.result}"
            if before.records != now.records:
                changed = sorted(dict(now.records.items() - before.records.items()))
                yield f"records were written after the end, or went: {changed}"

    async def _left_over(self) -> list[str]:
        """Dead letters; not those of a run that was purged before its last message came."""
        queue = self.stage.client.ports.queue
        letters = await queue.dead_letters(10)
        if not letters:
            return []
        await queue.drop([letter.id for letter in letters])
        return [
            f"a dead letter: {letter.reason}"
            for letter in letters
            if await self._is_there(decode_job(letter.body).run_id)
        ]

    async def _is_there(self, run_id: str) -> bool:
        (header,) = await self.stage.client.ports.store.headers([run_id])
        return header is not None

    async def _leave(self) -> None:
        """Take everybody and all runs off the stage."""
        for task in self._background:
            task.cancel()
        for worker in self._everybody:
            await self.stage.dismiss(worker)
        for run_id in self._runs.values():
            await self.stage.client.runs.purge(run_id)

    # -- who acts

    def _make(self, name: str, **settings: Any) -> Worker:
        if not (self._case.sweeps or self._fault.sweeps):
            settings.setdefault("sweep_interval_seconds", FAR_SECONDS)
        worker = self.stage.make_worker(name, **settings)
        worker.wire.numbering = self._numbering
        worker.wire.before = partial(self._at_call, worker, is_after=False)
        worker.wire.after = partial(self._at_call, worker, is_after=True)
        self._fault.prepare(worker)
        self._everybody.append(worker)
        return worker

    async def _at_call(self, who: Worker, call: Call, *, is_after: bool) -> None:
        if not is_after:
            self.trace.append(f"{call.number} {who.name} {call.name}")
        await self._fault.at_call(self, who, call, is_after=is_after)

    async def _at_message(self, who: Worker, delivery: Delivery) -> bool:
        self._messages += 1
        self._redelivered += delivery.is_redelivered
        return await self._fault.at_message(self, who, delivery)

    def start_worker(self) -> Worker:
        """Start one more worker."""
        number = sum(worker is not self._outside for worker in self._everybody)
        worker = self._make(f"w{number}", **self._fault.settings(number))
        worker.adapter.start()
        worker.intercept(partial(self._at_message, worker))
        self.stage.workers.append(worker)
        return worker

    def is_outside(self, who: Worker) -> bool:
        """Whether it is no worker of this play, but who submits and resumes."""
        return who.name == "outside"

    def replace(self, dead: Worker) -> None:
        """Let another one take over from who died."""
        if self.is_outside(dead):
            self._outside_died.set()
        else:
            self._background.append(asyncio.ensure_future(self._take_over(is_dead=True)))

    def help(self) -> None:
        """Let one more worker do what another one stands still at."""
        self._background.append(asyncio.ensure_future(self._take_over(is_dead=False)))

    async def _take_over(self, *, is_dead: bool) -> None:
        if is_dead and self._case.workers == 1:
            await self._note_recorded()
        if not self._fault.waits_for_leases:
            await self.stage.redeliver()
        self.start_worker()

    async def _note_recorded(self) -> None:
        """Note what is recorded, now that nobody lives who could execute anything."""
        seen: dict[str, list[str]] = {}
        for execution in self._cast.executions:
            seen.setdefault(execution.run_id, []).append(execution.key)
        for run_id, keys in seen.items():
            there = await records(self.stage.client, run_id, keys)
            for execution, times in self._cast.executions.items():
                if execution.run_id == run_id and execution.key in there:
                    self._recorded[execution] = times

    # -- the outside

    async def _do(self, deed: Callable[[BaseDistributedAdapter], Awaitable[T]]) -> T:
        """Do something from outside; who dies of it is replaced, and it is done again."""
        while True:
            doing = asyncio.ensure_future(deed(self._outside.adapter))
            dying = asyncio.ensure_future(self._outside_died.wait())
            await asyncio.wait({doing, dying}, return_when=asyncio.FIRST_COMPLETED)
            dying.cancel()
            if doing.done():
                try:
                    return doing.result()
                except BackendUnavailableError:
                    await asyncio.sleep(ASK_AGAIN_SECONDS)
                    continue
            doing.cancel()
            self._outside_died.clear()
            self._outside = self._make("outside")

    async def submit(
        self, blueprint_id: str = "g", *, name: str = "", deadline_seconds: float | None = None
    ) -> None:
        run_id = self._runs[name] = self._name + name
        await self._do(
            partial(self._begin, blueprint_id, run_id=run_id, deadline_seconds=deadline_seconds)
        )

    async def submit_once(self, blueprint_id: str = "g") -> None:
        run_id = self._runs[""] = self._name

        async def once(adapter: BaseDistributedAdapter) -> None:
            if not await self._is_there(run_id):
                await self._begin(blueprint_id, adapter, run_id=run_id)

        await self._do(once)

    async def _begin(
        self,
        blueprint_id: str,
        adapter: BaseDistributedAdapter,
        *,
        run_id: str,
        deadline_seconds: float | None = None,
    ) -> None:
        stage = self.stage
        await stage.store_blueprints(adapter)
        header = stage.new_header(blueprint_id, run_id=run_id, deadline_seconds=deadline_seconds)
        await adapter.runs.begin(header, self._case.payload, stage.program(blueprint_id))

    async def resume(
        self, path: str, output: Any = None, *, action: str | None = None, scope: str = ""
    ) -> None:
        await self._do(
            lambda adapter: adapter.resume_with_action(self._name, action, output, path, scope)
        )

    async def cancel(self) -> None:
        await self._do(lambda adapter: adapter.runs.cancel(self._name))

    async def retry(self) -> None:
        new_id = self._runs[RETRY] = self._name + RETRY
        await self._do(lambda adapter: adapter.runs.retry(self._name, new_id))

    async def purge(self) -> None:
        await self._do(lambda adapter: adapter.runs.purge(self._name))

    async def until_open(self, *paths: str, scope: str = "") -> None:
        for path in paths:
            await self._until(partial(self._was_opened, path, scope))

    async def _until(self, holds: Callable[[], Awaitable[bool]]) -> None:
        await self.stage.until(holds, within=PATIENCE_LEASES * self.stage.lease_seconds)

    async def _was_opened(self, path: str, scope: str) -> bool:
        *above, node = path.split("/")
        run_id = self._name
        for subflow in above:
            children = await self.stage.children(run_id)
            inside = [c.run_id for c in children if c.parent and c.parent.activation == subflow]
            if not inside:
                return False
            run_id = inside[-1]
        return OPEN in await self.stage.cells(node + scope, run_id)

    async def until_over(self, name: str = "") -> None:
        async def holds() -> bool:
            (header,) = await self.stage.client.ports.store.headers([self._runs[name]])
            return header is None or header.is_announced

        await self._until(holds)
