"""Submitting a run: its id, its blueprints, and whether it was submitted before."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from flowcraft import values
from flowcraft.adapter.base import BaseDistributedAdapter
from flowcraft.blueprint import canonical_bytes
from flowcraft.client.book import BlueprintBook
from flowcraft.clock import Clock
from flowcraft.engine.program import Program
from flowcraft.errors import IdempotencyConflictError, RunError
from flowcraft.execution.limits import check_deadline, check_delay, check_id, deadline_at
from flowcraft.status import RunHeader

# One order of keys, so that the same payload has the same fingerprint in every process.
_sorted = msgspec.json.Encoder(order="deterministic")


class Submitter:
    """Submits runs through one adapter.

    Args:
        adapter: Where the runs go.
        book: The blueprints that can be submitted.
        clock: Tells the time, and makes ids where none is given.
    """

    def __init__(self, adapter: BaseDistributedAdapter, book: BlueprintBook, clock: Clock) -> None:
        self._adapter = adapter
        self._book = book
        self._clock = clock
        self._stored: set[str] = set()

    async def submit(
        self,
        blueprint_id: str,
        payload: Any,
        *,
        run_id: str | None,
        idempotency_key: str | None,
        deadline_seconds: float | None,
        delay_seconds: float = 0.0,
    ) -> str:
        """Create a run and start it, or find the one that was submitted before; its id.

        Whoever repeats a submission whose answer was lost finishes what the first one began.

        Raises:
            UnknownBlueprintError: Nobody added the blueprint.
            BlueprintError: It names what nobody registered.
            ValueNotStorableError: The payload is not strict JSON.
            IdempotencyConflictError: The run exists, with another blueprint or payload.
            RunError: The id, the deadline or the delay does not fit.
        """
        check_deadline(deadline_seconds)
        programs = self._book.reachable(blueprint_id)
        program = programs[blueprint_id]
        check_delay(delay_seconds)
        run_id = self._run_id(run_id, idempotency_key)
        payload = values.to_json_value(payload, what=f"payload of run {run_id!r}")
        now = self._clock.now()
        header = RunHeader(
            run_id=run_id,
            blueprint_id=blueprint_id,
            blueprint_hash=program.hash,
            blueprints={id_: found.hash for id_, found in programs.items()},
            created_at=now,
            starts_at=now + delay_seconds if delay_seconds else None,
            deadline_at=deadline_at(
                program.blueprint.metadata, now + delay_seconds, deadline_seconds
            ),
            fingerprint=fingerprint(program, payload),
            format=self._adapter.ports.formats.own,
        )
        await self._store(programs)
        standing = await self._adapter.runs.begin(header, payload, program)
        if standing.fingerprint != header.fingerprint:
            raise IdempotencyConflictError(_conflict(standing, header, idempotency_key))
        return run_id

    def _run_id(self, run_id: str | None, idempotency_key: str | None) -> str:
        if idempotency_key is not None:
            if run_id is not None:
                raise RunError("run_id and idempotency_key exclude each other; give one of them")
            return run_id_of_key(idempotency_key)
        if run_id is None:
            return self._clock.fresh_id()
        check_id(run_id)
        return run_id

    async def _store(self, programs: dict[str, Program]) -> None:
        """Keep the blueprints' content, so that the run outlives their next version."""
        store = self._adapter.ports.store
        for program in programs.values():
            if program.hash not in self._stored:
                await store.put_blueprint(program.hash, canonical_bytes(program.blueprint))
                self._stored.add(program.hash)


def run_id_of_key(idempotency_key: object) -> str:
    """The id of the run that an idempotency key stands for: the same in every process.

    Raises:
        RunError: The key is empty, or no text that can be encoded.
    """
    if not isinstance(idempotency_key, str) or not idempotency_key:
        raise RunError(
            f"idempotency key {idempotency_key!r}: a text that is not empty; leave it out for none"
        )
    try:
        data = idempotency_key.encode()
    except UnicodeEncodeError as error:
        raise RunError("the idempotency key has half of a surrogate pair; remove it") from error
    return f"key-{hashlib.sha256(data).hexdigest()[:40]}"


def fingerprint(program: Program, payload: Any) -> str:
    """What two submissions have in common that ask for the same thing."""
    return hashlib.sha256(f"{program.hash}\n".encode() + _sorted.encode(payload)).hexdigest()


def _conflict(standing: RunHeader, wanted: RunHeader, idempotency_key: str | None) -> str:
    asked = (
        f"idempotency key {idempotency_key!r} belongs to run {standing.run_id!r}"
        if idempotency_key is not None
        else f"run {standing.run_id!r} exists"
    )
    if standing.blueprint_id != wanted.blueprint_id:
        other = f"which follows blueprint {standing.blueprint_id!r}, not {wanted.blueprint_id!r}"
    elif standing.blueprint_hash != wanted.blueprint_hash:
        other = f"which follows another version of blueprint {standing.blueprint_id!r}"
    else:
        other = "which has another payload"
    return f"{asked}, {other}. Use another one"
