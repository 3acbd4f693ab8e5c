"""What the commands do with runs."""

from __future__ import annotations

import sys
from typing import Any

import msgspec

from flowcraft.app import Flowcraft
from flowcraft.cli.show import error_text, run_lines
from flowcraft.errors import SettingsError


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
    spec, _ = app.settings(adapter=adapter, url=url)
    if not spec.is_shared:
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
    wait: bool,
    timeout_seconds: float | None,
    as_json: bool,
) -> bool:
    """Submit a run; with `wait`, give its result. Whether it did not fail."""
    run = await app.submit(
        blueprint_id,
        payload,
        run_id=run_id,
        idempotency_key=idempotency_key,
        deadline_seconds=deadline_seconds,
    )
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


def write(as_json: bool, value: Any, text: str) -> None:
    """Write what a program reads, or what a person does."""
    print(json_text(value) if as_json else text)


def json_text(value: Any) -> str:
    """A value as one line of JSON."""
    return msgspec.json.encode(value).decode()


def read_json(text: str | None, option: str) -> Any:
    """Read an option that holds JSON, or `-` for what comes in.

    Raises:
        SettingsError: It is no JSON.
    """
    if text is None:
        return None
    data = sys.stdin.buffer.read() if text == "-" else text.encode(errors="surrogateescape")
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SettingsError(
            f"{option} is no JSON: {error}. A text needs its quotes: '\"like this\"'"
        ) from error
