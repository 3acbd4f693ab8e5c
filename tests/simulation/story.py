"""One run of a simulated world: its submission, its outside, its end, and what must stay so."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace

from flowcraft.adapter.base import BaseDistributedAdapter
from flowcraft.blueprint import canonical_bytes, content_hash, load_blueprint
from flowcraft.client.events import run_events
from flowcraft.engine.program import Program
from flowcraft.status import RunHeader
from tests.simulation.backend import Backend
from tests.simulation.case import Case
from tests.simulation.check import Observed
from tests.simulation.observe import observe
from tests.simulation.retried import unused
from tests.simulation.signals import Outside, descendants

_OF_RECORDS = ("finished", "skipped", "failed")


class Story:
    """One run from its submission to its end.

    Args:
        case: What it runs.
        run_id: Its id.
        client: Acts on it, in the world's time.
        watcher: Looks at it, in no time.
        backend: Where its records are.
    """

    def __init__(
        self,
        case: Case,
        run_id: str,
        client: BaseDistributedAdapter,
        watcher: BaseDistributedAdapter,
        backend: Backend,
    ) -> None:
        self.case = case
        self.run_id = run_id
        self._client = client
        self._watcher = watcher
        self._backend = backend
        self._outside = Outside(client, run_id, case, looking=watcher)
        self._sending: asyncio.Task[None] | None = None
        self._opened = 0

    async def submit(
        self,
        compiled: dict[bytes, Program],
        *,
        begins: bool,
        starts_in: float,
        early_at: float,
        format_: int,
    ) -> None:
        """Submit the run, and send what is sent early.

        Args:
            compiled: Takes its programs, by what is stored of their blueprints.
            begins: Create and start it in one call, as a client does.
            starts_in: With what delay it is submitted.
            early_at: When the early signals come; 0 is before it starts.
            format_: What the client writes that submits it.
        """
        case, client = self.case, self._client
        expressions = client.options.runtime_options.expressions
        programs: dict[str, Program] = {}
        for id_, json in {case.blueprint["id"]: case.blueprint, **case.blueprints}.items():
            blueprint = load_blueprint(json, expressions=expressions)
            stored = canonical_bytes(blueprint)
            programs[id_] = compiled[stored] = program = Program(blueprint, expressions)
            assert program.hash == content_hash(blueprint)
            await client.ports.store.put_blueprint(program.hash, stored)
        root = programs[case.blueprint["id"]]
        now = client.parts.clock.now()
        header = RunHeader(
            run_id=self.run_id, blueprint_id=root.blueprint.id, blueprint_hash=root.hash,
            blueprints={id_: program.hash for id_, program in programs.items()},
            created_at=now, starts_at=now + starts_in if starts_in else None, format=format_,
        )  # fmt: skip
        if begins:
            await client.runs.begin(header, case.payload, root)
            await self._outside.send_early()
            return
        await client.runs.create(header, case.payload)
        if early_at:
            asyncio.get_running_loop().call_later(early_at, self._send_early)
        else:
            await self._outside.send_early()
        await client.runs.start(self.run_id)

    async def retry(self, new_id: str, first: Observed) -> Story:
        """Retry the run; what it was sent early and did not use is sent again."""
        await self._client.runs.retry(self.run_id, new_id)
        early = unused(self.case, first)
        rest = [signal for signal in self.case.signals if not signal.early or signal in early]
        case = replace(self.case, signals=rest)
        new = Story(case, new_id, self._client, self._watcher, self._backend)
        await new._outside.send_early()
        return new

    def _send_early(self) -> None:
        self._sending = asyncio.get_running_loop().create_task(self._outside.send_early())

    @property
    def is_talked_to(self) -> bool:
        """Whether signals are sent to it while it runs."""
        return any(not signal.early for signal in self.case.signals)

    async def answer(self) -> None:
        """Resume what is seen waiting, if a wait was opened since the last time."""
        opened = self._backend.opened if self.is_talked_to else 0
        if opened != self._opened:
            await self._outside.answer()
            self._opened = opened

    async def cancel(self) -> None:
        """Ask for the end of the run."""
        await self._client.runs.cancel(self.run_id)

    async def is_over(self, *, has_sweeper: bool) -> bool:
        """Whether the run and all below it ended and were announced."""
        for run_id in [self.run_id, *await descendants(self._watcher, self.run_id)]:
            (header,) = await self._watcher.ports.store.headers([run_id])
            if header is None or (header.is_over and header.is_announced):
                continue
            if not has_sweeper and await self._is_orphan(header):
                await self._client.runs.cancel(run_id)
            return False
        return True

    async def _is_orphan(self, header: RunHeader) -> bool:
        """Whether the run's parent ended without it; only a sweeper looks for those."""
        if header.parent is None:
            return False
        (above,) = await self._watcher.ports.store.headers([header.parent.run_id])
        return above is None or (above.is_over and above.is_announced)

    async def observe(self) -> Observed:
        """How the run ended."""
        return await observe(self._watcher, self.run_id, self._backend.records)

    async def untold(self, observed: Observed) -> list[str]:
        """Whether the events of the run are not exactly its records, and its end at the end."""
        events = [event async for event in run_events(self._watcher, self.run_id, after=None)]
        told = Counter(e.node + e.scope for e in events if e.kind in _OF_RECORDS)
        if told != Counter(observed.records.keys()) or events[-1].status != observed.status:
            return [f"the events of the run are {[(e.kind, e.node + e.scope) for e in events]}"]
        return []

    async def changed(self, first: Observed) -> list[str]:
        """What is otherwise than it was at the end of the run."""
        if _with_some_life(await self.observe()) != _with_some_life(first):
            return ["what is known of the run, or its context, changed after its end"]
        return []


def _with_some_life(observed: Observed) -> Observed:
    """Leave out children made too late to be started: cancelled, and without a record."""
    alive = {
        place: _with_some_life(child)
        for place, child in observed.children.items()
        if child.status != "cancelled" or child.records
    }
    return replace(observed, children=alive)
