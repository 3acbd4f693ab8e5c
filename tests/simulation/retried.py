"""Runs that were retried: what the new run may have executed, and what both make together.

All that a run recorded, but for the failure that ended it, and all that the run retrying it
recorded is one allowed run. So a retried run is checked like any other, with the records of the
old one that it had not come to when it ended.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from tests.simulation.case import Case, Signal
from tests.simulation.check import Observed, ObservedRecord, check

Executions = Counter[str]
"""How often node code ran, by run, activation and attempt, with blanks between."""


def together(old: Observed, new: Observed) -> Observed:
    """The one run that an ended run and its retry make."""
    assert new.retry_of == old.run_id
    kept = lasting(old)
    records = {**kept, **new.records}
    children = dict(new.children)
    started = {key for key, _ in new.children}
    for (key, attempt), child in old.children.items():
        if key not in started:
            children[key, attempt] = child
        elif (begun := new.children[key, 1]).retry_of == child.run_id:
            children[key, 1] = together(child, begun)
    # What was passed over in the old run, and not come to in the new one, is an error of both.
    unreached = {key for key, record in kept.items() if record.outcome == "failed"} - set(
        new.records
    )
    errors = [error for key in sorted(unreached) if (error := kept[key].error) is not None]
    return replace(
        new,
        records=records,
        children=children,
        context={**old.context, **new.context},
        errors=[*errors, *new.errors],
        retry_of=old.retry_of,
        run_id=new.run_id,
        reached=frozenset(new.records),
    )


def lasting(old: Observed) -> dict[str, ObservedRecord]:
    """The records of an ended run that a retry takes over: all but the failure that ended it."""
    fatal = old.errors[-1] if old.status == "failed" else None
    return {
        key: record
        for key, record in old.records.items()
        if record.outcome != "failed" or record.error != fatal
    }


def not_taken_over(case: Case, old: Observed, new: Observed, executions: Executions) -> list[str]:
    """List what the new run executed again, and what it has recorded without its causes."""
    # But for its context, which began with the old one's, it makes sense without the old run.
    problems = check(case, _alone(old, new), may_be_cancelled=True)
    problems = [problem for problem in problems if "context" not in problem]
    return problems + list(_executed_again(old, new, executions))


def _alone(old: Observed, new: Observed) -> Observed:
    """The new run as if there had been no old one, but for the children it did not make again."""
    started = new.records.keys() | {key for key, _ in new.children}
    children = {
        place: child for place, child in together(old, new).children.items() if place[0] in started
    }
    return replace(new, children=children)


def _executed_again(old: Observed, new: Observed, executions: Executions) -> Iterator[str]:
    """Name what the new run executed although the old one had recorded it."""
    known = lasting(old)
    for what in executions:
        run_id, key, _ = what.split(" ")
        if run_id == new.run_id and key in known:
            yield f"{what} was executed again"
    befores = {child.run_id: child for child in old.children.values()}
    for child in new.children.values():
        if child.retry_of is not None:
            yield from _executed_again(befores[child.retry_of], child, executions)


def unused(case: Case, old: Observed) -> list[Signal]:
    """The early signals of a case that no record of the old run can have used."""
    return [
        signal
        for signal in case.signals
        if signal.early and not _is_used(old, signal.node.split("/"))
    ]


def _is_used(run: Observed, path: list[str]) -> bool:
    node, *below = path
    if not below:
        return any(key.partition("/")[0] == node for key in run.records)
    return any(
        _is_used(child, below)
        for (key, _), child in run.children.items()
        if key.partition("/")[0] == node
    )
