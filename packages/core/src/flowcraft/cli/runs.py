"""What the commands do with runs."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import msgspec

from flowcraft.app import Flowcraft
from flowcraft.blueprint import strict_json
from flowcraft.cli.follow import show_events, view_of, write_followed
from flowcraft.cli.output import json_text, write
from flowcraft.cli.show import error_text, run_lines
from flowcraft.client.handle import RunHandle
from flowcraft.client.waiting import header_of, no_run
from flowcraft.clock import SystemClock
from flowcraft.errors import RunError, RunNotFinishedError, SettingsError, UnknownRunError


async def connect(app: Flowcraft, *, adapter: str | None, url: str | None) -> None:
    """Connect to a backend that other processes see too.

    Raises:
        SettingsError: It is one of this process alone.
        FlowcraftError: It is not there.
    """
    refuse_private(app, adapter=adapter, url=url)
    await app.connect(adapter=adapter, url=url)


def refuse_private(app: Flowcraft, *, adapter: str | None, url: str | None) -> None:
    """Refuse an adapter that no other process sees.

    Raises:
        SettingsError: It is one.
    """
    spec, *_ = app.settings(adapter=adapter, url=url)
    if not spec.capabilities.is_shared:
        raise SettingsError(
            f"adapter {spec.name!r} keeps its runs in one process, which ends with this command. "
            "Choose another one, such as --url sqlite:///flowcraft.db"
        )


async def submit(
    app: Flowcraft,
    blueprint_id: str,
    payload: Any,
    *,
    run_id: str | None,
    idempotency_key: str | None,
    deadline_seconds: float | None,
    delay_seconds: float,
) -> RunHandle:
    """Submit a run."""
    return await app.submit(
        blueprint_id,
        payload,
        run_id=run_id,
        idempotency_key=idempotency_key,
        deadline_seconds=deadline_seconds,
        delay_seconds=delay_seconds,
    )


async def attend(
    app: Flowcraft,
    run: RunHandle,
    *,
    wait: bool,
    follow: bool,
    timeout_seconds: float | None,
    as_json: bool,
) -> bool:
    """Write a run's id; of one to be waited for or followed, its result. Whether it completed."""
    if follow:
        try:
            async with asyncio.timeout(timeout_seconds):
                return await follow_run(app, run.run_id, after=None, as_json=as_json)
        except TimeoutError as error:
            raise RunNotFinishedError(
                f"run {run.run_id!r} had not ended after {timeout_seconds:g} s, and goes on"
            ) from error
    if not wait:
        write(as_json, {"run_id": run.run_id}, run.run_id)
        return True
    result = await run.result(timeout_seconds)
    lines = [f"run {run.run_id} {result.status}"]
    lines += [f"error: {error_text(error)}" for error in result.errors]
    if result.status == "completed":
        lines.append(json_text(result.output))
    write(as_json, result, "\n".join(lines))
    return result.status == "completed"


async def follow_run(app: Flowcraft, run_id: str, *, after: str | None, as_json: bool) -> bool:
    """Show what happens in a run until its end, then its result. Whether it completed.

    Raises:
        UnknownRunError: It is not there.
    """
    run = app.run(run_id)
    view = await (await app.adapter()).parts.view(run_id)
    if view is None:
        raise UnknownRunError(no_run(run_id))
    nodes = list(view.program.nodes)
    with view_of(run_id, nodes, as_json=as_json, clock=SystemClock()) as shown:
        await show_events(run.events(after), shown)
    result = await run.result()
    write_followed(result, as_json=as_json)
    return result.status == "completed"


async def show(app: Flowcraft, run_id: str, *, as_json: bool, now: float) -> None:
    """Say where a run stands, and why."""
    explanation = await app.run(run_id).explain()
    write(as_json, explanation, "\n".join(run_lines(explanation, now=now)))


async def cancel(app: Flowcraft, run_id: str, *, as_json: bool) -> None:
    """Cancel a run that is not over."""
    status = await app.run(run_id).cancel()
    text = f"run {run_id} is {status}"
    if status in ("completed", "failed"):
        text += "; it ended before"
    write(as_json, {"run_id": run_id, "status": status}, text)


async def resume(
    app: Flowcraft,
    run_id: str,
    *,
    action: str | None,
    output: Any,
    node_id: str | None,
    scope: str,
    as_json: bool,
) -> bool:
    """Wake a wait of a run, or keep the signal for it. Whether it was not refused."""
    outcome = await app.run(run_id).resume(action, output, node_id, scope)
    what = f"wait {node_id}{scope}" if node_id else "a wait"
    text = {
        "woke": f"woke {what} of run {run_id}",
        "kept": f"kept for {what} of run {run_id}, which is not open yet",
        "refused": f"refused: {what} of run {run_id} was resumed before, or the run is over",
    }[outcome]
    write(as_json, {"run_id": run_id, "outcome": outcome}, text)
    return outcome != "refused"


async def reconcile(app: Flowcraft, run_id: str, *, as_json: bool) -> None:
    """Repair a run from its records."""
    await (await app.adapter()).reconcile(run_id)
    status = await app.run(run_id).status()
    write(as_json, {"run_id": run_id, "status": status}, f"run {run_id} is {status}")


async def purge(app: Flowcraft, run_id: str, *, as_json: bool) -> None:
    """Remove an ended run with everything below it.

    Raises:
        UnknownRunError: It is not there.
        RunError: It has not ended, or is a child.
    """
    adapter = await app.adapter()
    if not await adapter.runs.purge(run_id):
        header = await header_of(adapter, run_id)
        raise RunError(f"run {run_id!r} is {header.status}, and is kept. Cancel it first")
    write(as_json, {"run_id": run_id, "purged": True}, f"run {run_id} is gone")


def read_json(text: str | None, option: str) -> Any:
    """Read an option that holds JSON, or `-` for what comes in.

    Raises:
        SettingsError: It is no JSON, or repeats a key.
    """
    if text is None:
        return None
    data = sys.stdin.buffer.read() if text == "-" else text.encode(errors="surrogateescape")
    try:
        value = msgspec.json.decode(data)
        # Only for the keys: its other limits are those of blueprints, not of payloads.
        repeated = list(strict_json.repetitions(strict_json.decode(data, []), where=option))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SettingsError(
            f"{option} is no JSON: {error}. A text needs its quotes: '\"like this\"'"
        ) from error
    if repeated:
        raise SettingsError("; ".join(repeated))
    return value
