"""Reads an ended run, with its children, the way the reference interpreter compares it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from flowcraft import values
from flowcraft.adapter.base import BaseDistributedAdapter
from flowcraft.engine.record import ErrorInfo, Record, carried_value, output_value
from tests.simulation.check import Observed, ObservedRecord

RecordsOf = Callable[[str], Mapping[str, Record]]
"""All records of a run, by activation key."""


async def observe(adapter: BaseDistributedAdapter, run_id: str, records_of: RecordsOf) -> Observed:
    """Read what there is to know of an ended run."""
    result = await adapter.runs.result_of(run_id)
    (own,) = await adapter.ports.store.headers([run_id])
    assert own is not None
    records = {
        key: await _observed_record(adapter, run_id, record)
        for key, record in records_of(run_id).items()
    }
    children: dict[tuple[str, int], Observed] = {}
    for child in await adapter.ports.store.children(run_id):
        (header,) = await adapter.ports.store.headers([child])
        if header is None:
            continue  # listed first and never made: its maker died, and its parent ended
        assert header.parent is not None
        where = (header.parent.activation, header.parent.attempt)
        children[where] = await observe(adapter, child, records_of)
    return Observed(
        status=result.status, output=result.output, context=result.context,
        errors=[_error(error) for error in result.errors], records=records, children=children,
        run_id=run_id, retry_of=own.retry_of,
    )  # fmt: skip


async def _observed_record(
    adapter: BaseDistributedAdapter, run_id: str, record: Record
) -> ObservedRecord:
    async def plain(stored: bytes) -> Any:
        return values.decode(await adapter.parts.reader.plain(run_id, stored))

    return ObservedRecord(
        outcome=record.outcome,
        output=await plain(output_value(record)),
        action=record.action,
        taken={index: await plain(carried_value(record, index)) for index in record.taken},
        skipped=set(record.skipped),
        attempt=record.attempt,
        winner=record.winner,
        error=None if record.error is None else _error(record.error),
    )


def _error(error: ErrorInfo) -> dict[str, Any]:
    return {
        "node": error.node,
        "scope": error.scope,
        "attempt": error.attempt,
        "type": error.type,
        "message": error.message,
    }
