"""A run as a whole: its making, its start, its end, and the news of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from flowcraft import values
from flowcraft.adapter.adoption import going_on
from flowcraft.adapter.parts import Parts
from flowcraft.engine.activation import Activation, parse_activation
from flowcraft.engine.cells import RECORD
from flowcraft.engine.names import input_candidates, walk_path
from flowcraft.engine.program import Program
from flowcraft.engine.record import ErrorInfo
from flowcraft.errors import RunDeadlineError, RunError, UnknownRunError
from flowcraft.execution.adoption import check_retry
from flowcraft.execution.limits import deadline_at, split_errors
from flowcraft.execution.move import RunView
from flowcraft.execution.payload import context_of, encode_payload
from flowcraft.execution.performing import RunOverError
from flowcraft.ports.contract import JobPayload, Origin
from flowcraft.ports.queue import Outgoing
from flowcraft.ports.store import End, Load, Loaded, NewRun
from flowcraft.ports.transition import Beginning, job_for
from flowcraft.status import FinalStatus, ParentReference, RunHeader, RunResult, Status

Publish = Callable[[str, RunResult], Awaitable[None]]


class Runs:
    """Makes, starts and ends runs, and announces their ends."""

    def __init__(self, parts: Parts, publish: Publish) -> None:
        self._parts = parts
        self._publish = publish

    # -- making

    async def create(self, header: RunHeader, payload: Any) -> RunHeader:
        """Create a run, or find the one that has its id; it is not started by this.

        Raises:
            RunOverError: It has a parent, which has ended or is gone.
            ValueNotStorableError: The payload is not strict JSON.
        """
        return await self._create(self._new_run(header, payload))

    async def begin(self, header: RunHeader, payload: Any, program: Program) -> RunHeader:
        """Create a run and start it, or find the one that has its id.

        Whoever created a run that is found may have died before it was started, so the same
        submission starts it again; not where both are one step.

        Raises:
            ValueNotStorableError: The payload is not strict JSON.
        """
        ports = self._parts.ports
        run = self._parts.run_of(header, program)
        jobs = [Outgoing(job_for(run.job, start)) for start in program.plan.starts]
        left = 0.0
        if header.deadline_at is not None:
            left = max(0.0, header.deadline_at - header.created_at)
            jobs.append(Outgoing(run.job, left))
        if ports.begin is not None and left <= ports.queue.longest_delay_seconds:
            standing = await ports.begin(Beginning(self._new_run(header, payload), jobs))
            ports.formats.check(standing)
            return standing
        standing = await self.create(header, payload)
        if standing.fingerprint == header.fingerprint:
            await self.start(header.run_id)
        return standing

    def _new_run(self, header: RunHeader, payload: Any) -> NewRun:
        encoded = self._encode(header, payload)
        return NewRun(header=header, payload=encoded, context=context_of(payload))

    def _encode(self, header: RunHeader, payload: Any) -> bytes:
        return encode_payload(payload, header.run_id, self._parts.largest_value)

    async def _create(self, new: NewRun) -> RunHeader:
        (standing,) = await self._parts.ports.store.create([new])
        if standing is None:
            raise RunOverError
        self._parts.ports.formats.check(standing)
        return standing

    async def create_child(
        self,
        parent: RunHeader,
        blueprint_id: str,
        run_id: str,
        payload: Any,
        reference: ParentReference,
        *,
        before: str | None = None,
    ) -> RunHeader:
        """Create the child run of a subflow, with the blueprint its parent was submitted with.

        Args:
            parent: The run of the subflow node.
            blueprint_id: What the child follows.
            run_id: Its id.
            payload: Its payload.
            reference: The attempt it is made for.
            before: A child of the run that the parent retries. If it had the same payload, the
                new one goes on from its records.

        Raises:
            RunOverError: The parent has ended, or is gone.
        """
        content = parent.blueprints[blueprint_id]
        now = self._parts.clock.now()
        program = await self._parts.programs.get(content)
        header = RunHeader(
            run_id=run_id,
            blueprint_id=blueprint_id,
            blueprint_hash=content,
            blueprints=parent.blueprints,
            created_at=now,
            deadline_at=deadline_at(program.blueprint.metadata, now, None),
            parent=reference,
            format=self._parts.options.format,
        )
        if before is not None:
            await self.cancel(before)  # its parent is over, and what it holds must not change
            new = await going_on(self._parts, header, before)
            if new is not None and new.payload == self._encode(header, payload):
                return await self._create(new)
        return await self.create(header, payload)

    async def retry(self, run_id: str, new_id: str) -> None:
        """Make a new run that goes on from the records of one that ended, and start it.

        Whoever repeats it with the same new id finishes what the first one began.

        Raises:
            UnknownRunError: There is no such run.
            RunError: It has not ended, or is a child; or the new id belongs to another run.
            UnknownBlueprintError: The store does not hold its blueprint.
        """
        (old,) = await self._parts.ports.headers([run_id])
        if old is None:
            raise UnknownRunError(f"no run {run_id!r}. It was never submitted here, or was purged")
        check_retry(run_id, old.parent, is_over=old.is_over)
        program = await self._parts.programs.get(old.blueprint_hash)
        now = self._parts.clock.now()
        header = RunHeader(
            run_id=new_id,
            blueprint_id=old.blueprint_id,
            blueprint_hash=old.blueprint_hash,
            blueprints=old.blueprints,
            created_at=now,
            deadline_at=deadline_at(program.blueprint.metadata, now, None),
            fingerprint=old.fingerprint,
            format=self._parts.options.format,
        )
        new = await going_on(self._parts, header, run_id)
        if new is None:
            raise UnknownRunError(f"no run {run_id!r}. It was purged just now")
        standing = await self._create(new)
        if standing.retry_of != run_id:
            raise RunError(f"run {new_id!r} exists, and is no retry of {run_id!r}. Use another id")
        await self.start(new_id)

    async def child_of(self, run_id: str, node_id: str) -> str:
        """The id of the child run that a subflow node last started.

        Raises:
            UnknownRunError: It has not started one.
        """
        headers = await self._parts.ports.headers(await self._parts.ports.store.children(run_id))
        mine = [
            header
            for header in headers
            if header is not None
            and header.parent is not None
            and parse_activation(header.parent.activation).node == node_id
        ]
        if not mine:
            raise UnknownRunError(f"node {node_id!r} of run {run_id!r} has started no subflow")
        running = [header for header in mine if not header.is_over]
        return max(running or mine, key=lambda header: header.created_at).run_id

    async def start(self, run_id: str, *, origin: Origin = "edge") -> None:
        """Send a job for every start node that has no record, and for the deadline.

        Where the run starts later, whoever takes such a job puts it off until then.

        Args:
            run_id: The run.
            origin: Why: `sweep` if it may have been started long ago.
        """
        parts = self._parts
        run = await parts.view(run_id)
        if run is None or run.header.is_over:
            return
        starts = run.program.plan.starts
        recorded = await parts.ports.read_records(run_id, starts)
        template = msgspec.structs.replace(run.job, origin=origin)
        await parts.ports.send_all(
            [Outgoing(job_for(template, start)) for start in starts if start not in recorded]
        )
        await self.await_deadline(run)

    async def await_deadline(self, run: RunView) -> None:
        """See to it that somebody looks at the run when its time is over."""
        if run.header.deadline_at is not None:
            left = run.header.deadline_at - self._parts.clock.now()
            await self._parts.wake_later(run.job, max(0.0, left))

    # -- ending

    async def cancel(self, run_id: str) -> Status | None:
        """Cancel a run that is not over; the status that then stands, None if it is gone."""
        await self._parts.ports.headers([run_id])  # a newer run is not ours to end
        now = self._parts.clock.now()
        header = await self._parts.ports.finish(End(run_id, "cancelled", None, now))
        if header is None:
            return None
        if not header.is_announced:
            await self.announce(run_id)
        return header.status

    async def purge(self, run_id: str) -> bool:
        """Remove an ended run with everything below it. Whether it was there and ended.

        A tree goes as a whole, from its root: a child that is gone while its parent is there
        would be made again.

        Raises:
            RunError: The run is a child; purge its root.
        """
        store = self._parts.ports.store
        (header,) = await self._parts.ports.headers([run_id])
        if header is None or not header.is_over:
            return False
        if header.parent is not None:
            raise RunError(f"run {run_id!r} is a child of {header.parent.run_id!r}: purge that")
        await self.announce(run_id)
        tree = [run_id]
        for above in tree:
            tree += await store.children(above)
        for below in reversed(tree):
            await self.cancel(below)
            await store.purge([below])
        return True

    async def end_if_late(self, header: RunHeader) -> bool:
        """Fail a run whose deadline is over. Whether it was."""
        now = self._parts.clock.now()
        if header.deadline_at is None or now < header.deadline_at:
            return False
        allowed = header.deadline_at - header.began_at
        error = ErrorInfo(
            node="", message=f"the run took longer than its {allowed:g} s",
            type=RunDeadlineError.__name__,
        )  # fmt: skip
        await self._parts.ports.finish(End(header.run_id, "failed", error, now))
        return True

    async def announce(self, run_id: str) -> None:
        """Tell the world that a run ended: its children, its waiters, its parent; then note it.

        Whoever meets an ended run that was not announced does this again, which is harmless.
        """
        store = self._parts.ports.store
        (header,) = await self._parts.ports.headers([run_id])
        if header is None or not header.is_over:
            return
        self._parts.telling.ended(header)
        if header.is_announced:
            return
        above: RunHeader | None = None
        if header.parent is not None:
            (above,) = await self._parts.ports.headers([header.parent.run_id])
            if above is None:
                await self._discard(run_id)
                return
        for child in await store.children(run_id):
            await self.cancel(child)
        await self._publish(run_id, await self.result_of(run_id))
        if header.parent is not None and above is not None and not above.is_over:
            template = JobPayload(above.run_id, above.blueprint_id, "", "", above.blueprint_hash)
            await self._parts.ports.send(Outgoing(job_for(template, header.parent.activation)))
        await store.mark_announced([run_id])

    async def _discard(self, run_id: str) -> None:
        """Remove a run whose parent was purged: a late worker made it, and nobody asks for it."""
        store = self._parts.ports.store
        for child in await store.children(run_id):
            await self._parts.ports.finish(End(child, "cancelled", None, self._parts.clock.now()))
            await self._discard(child)
        await store.purge([run_id])

    # -- results

    async def result_of(self, run_id: str, header: RunHeader | None = None) -> RunResult:
        """Read the result of an ended run from its records, which no longer change.

        Args:
            run_id: The run.
            header: What it says of itself, if that was read since it ended.

        Raises:
            UnknownRunError: It is gone.
        """
        ports = self._parts.ports
        if header is None:
            (header,) = await ports.headers([run_id])
        if header is None:
            raise UnknownRunError(f"no run {run_id!r}")
        status: FinalStatus = header.status if header.is_over else "failed"  # type: ignore[assignment]
        run: RunView | None = None
        peeks: tuple[tuple[str, str], ...] = ()
        if status == "completed":
            # Only here: a run may have failed because its blueprint cannot be read.
            run = self._parts.run_of(header, await self._parts.programs.get(header.blueprint_hash))
            peeks = tuple((sink, RECORD) for sink in run.program.plan.sinks)
        loaded = await ports.load(Load(run_id, "", peeks, context=None))
        if loaded.header is None:
            raise UnknownRunError(f"no run {run_id!r}. It was purged just now")
        output = await self._output(run, loaded) if run is not None else None
        stored, errors = split_errors(loaded.context)
        context = {key: await self._plain(run_id, value) for key, value in stored.items()}
        if header.error is not None:
            errors.append(header.error)
        return RunResult(
            run_id=run_id, status=status, output=output, context=context, errors=errors
        )

    async def output_of(self, run_id: str, node_id: str, scope: str) -> Any:
        """The output of a node that is recorded: of its stand-in where it failed.

        Args:
            run_id: The run.
            node_id: The node; a path `SUBFLOW/NODE` names one inside a child.
            scope: Which iteration or item of it. Without one, a node of a loop means its last
                iteration.

        Raises:
            UnknownRunError: No such run, or no such child.
            RunError: The run has no such node, or the node no such scope.
            NoOutputError: It has not been recorded, or it failed for good.
        """
        run_id, node_id = await self.inside(run_id, node_id)
        run = await self._parts.view(run_id)
        if run is None:
            raise UnknownRunError(f"no run {run_id!r}")
        return await self._plain(
            run_id, await self._parts.reader.recorded_output(run, Activation(node_id, scope))
        )

    async def inside(self, run_id: str, path: str) -> tuple[str, str]:
        """The child run and the node that a path such as `SUBFLOW/NODE` names.

        Raises:
            UnknownRunError: A subflow on the path has started no child.
        """
        *above, node_id = path.split("/")
        for subflow in above:
            run_id = await self.child_of(run_id, subflow)
        return run_id, node_id

    async def _output(self, run: RunView, loaded: Loaded) -> Any:
        sinks = run.program.plan.sinks
        found: dict[str, Any] = {}
        for sink in sinks:
            ran, stored = await self._parts.reader.last_output(run, sink, loaded)
            if ran or len(sinks) == 1:
                found[sink] = await self._plain(run.run_id, stored)
        return found.get(sinks[0]) if len(sinks) == 1 else found

    async def _plain(self, run_id: str, stored: bytes) -> Any:
        return values.decode(await self._parts.reader.plain(run_id, stored))

    async def named_value(self, run_id: str, name: str) -> bytes:
        """What a name means in an ended run: a node's output or a context key, null if neither."""
        run = await self._parts.view(run_id)
        if run is None:
            return b"null"
        context = await self._parts.ports.store.context(run_id)
        for node, key, path in input_candidates(name, run.program.nodes):
            if node is not None:
                _, stored = await self._parts.reader.last_output(run, node)
            elif key is not None and key in context:
                stored = context[key]
            else:
                continue
            return values.encode(walk_path(await self._plain(run_id, stored), path), what=name)
        return b"null"
