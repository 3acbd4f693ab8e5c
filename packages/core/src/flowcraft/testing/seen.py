"""What there is to see of a run that has ended, and how it differs from what should be there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from flowcraft.adapter.base import BaseDistributedAdapter
from flowcraft.client.events import run_events
from flowcraft.engine.cells import RECORD
from flowcraft.engine.record import Record, decode_record, output_value
from flowcraft.ports.store import Load
from flowcraft.status import RunResult
from flowcraft.testing.cases import Case, End
from flowcraft.testing.cases.case import STAMP


class Seen(NamedTuple):
    """An ended run.

    Attributes:
        run_id: Its id.
        result: Its result.
        told: How often its events tell of an activation that it is over.
        records: The records of these activations, as they are stored.
        children: Its children, by the activation and attempt that made them.
    """

    run_id: str
    result: RunResult
    told: Counter[str]
    records: Mapping[str, bytes]
    children: Mapping[str, Seen]


async def see(adapter: BaseDistributedAdapter, run_id: str) -> Seen | None:
    """Look at an ended run and at all below it; None if it is gone."""
    store = adapter.ports.store
    (header,) = await store.headers([run_id])
    if header is None:
        return None
    if not header.is_announced:
        raise AssertionError(f"run {run_id!r} is {header.status}, and its end is not announced")
    told = Counter(
        [
            event.node + event.scope
            async for event in run_events(adapter, run_id, after=None)
            if event.kind in ("finished", "skipped", "failed")
        ]
    )
    children: dict[str, Seen] = {}
    ids = await store.children(run_id)
    for below in await store.headers(ids) if ids else ():
        # One that is listed and not there was about to be made when its maker died.
        child = await see(adapter, below.run_id) if below is not None else None
        if child is not None and below is not None and below.parent is not None:
            children[f"{below.parent.activation}@{below.parent.attempt}"] = child
    result = await adapter.runs.result_of(run_id)
    return Seen(run_id, result, told, await records(adapter, run_id, list(told)), children)


async def records(
    adapter: BaseDistributedAdapter, run_id: str, keys: list[str]
) -> Mapping[str, bytes]:
    """The records of some activations, of those that have one."""
    (loaded,) = await adapter.ports.store.load(
        [Load(run_id, "", peeks=tuple((key, RECORD) for key in keys))]
    )
    return {key: data for (key, _), data in loaded.peeked.items()}


def paths(seen: Mapping[str, Seen | None]) -> dict[str, str]:
    """Names for all runs that are the same in every play: by run id."""
    found: dict[str, str] = {}
    for path, run in seen.items():
        if run is not None:
            found[run.run_id] = path
            below = {f"{path}>{place}": child for place, child in run.children.items()}
            found |= paths(below)
    return found


def wrong_end(end: End, seen: Seen | None) -> Iterator[str]:
    """Say what of a run's end is not as its case says."""
    if seen is None or end.status == "gone":
        if seen is not None or end.status != "gone":
            yield f"the run is {'gone' if seen is None else 'there'}, not {end.status}"
        return
    result = seen.result
    # The last error that was caught: order decides which one that is.
    context = {key: value for key, value in result.context.items() if key != "_catch_error"}
    for what, wanted, found in (
        ("status", end.status, result.status),
        ("output", end.output, result.output),
        ("context", end.context, context),
    ):
        if wanted != found:
            yield f"the run's {what} is {found!r}, not {wanted!r}"
    if context.get(STAMP, result.output) != result.output:
        yield f"{STAMP!r} is {context[STAMP]!r}, by an execution that was not recorded"


def differences(case: Case, calm: Seen, seen: Seen, path: str) -> Iterator[str]:
    """Say in what a run differs from the same run without any fault.

    Args:
        case: What was run.
        calm: The run without a fault.
        seen: The run.
        path: Its name.
    """
    again = {key: times for key, times in seen.told.items() if times > 1}
    if again:
        yield f"{path}: recorded more than once: {again}"
    if _failures(calm) != _failures(seen):
        yield f"{path}: failed with {_failures(seen)}, not {_failures(calm)}"
    for key in sorted(calm.records.keys() | seen.records.keys()):
        if key not in seen.records:
            yield f"{path}: {key} has no record"
        elif key not in calm.records:
            yield f"{path}: {key} has a record that nothing leads to"
        else:
            is_open = path == "" and key in case.varies
            one, other = (_facts(run.records[key], is_open) for run in (calm, seen))
            if one != other:
                yield f"{path}: {key} is {other}, not {one}"
    for place in sorted(calm.children.keys() | seen.children.keys()):
        if place not in seen.children or place not in calm.children:
            yield f"{path}: child {place} is {'not ' * (place not in seen.children)}there"
        else:
            there = seen.children[place]
            yield from differences(case, calm.children[place], there, f"{path}>{place}")


def _failures(seen: Seen) -> list[tuple[str, str, int, str]]:
    return sorted((e.node, e.scope, e.attempt, e.type) for e in seen.result.errors)


def _facts(data: bytes, is_open: bool) -> Any:
    """What must be the same in every play: not who made a record, and when."""
    record: Record = decode_record(data)
    if is_open:
        return record.outcome
    error = record.error.type if record.error is not None else None
    values = {edge: bytes(value) for edge, value in record.values.items()}
    return (
        record.outcome, output_value(record), record.action, record.taken, record.skipped,
        values, record.attempt, record.winner, record.items, error,
    )  # fmt: skip
