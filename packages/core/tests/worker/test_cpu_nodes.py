"""Nodes bound to the CPU in worker processes that end, gently or not."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

from flowcraft.testing import covers


def is_gone(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    # Nobody may be there to reap it: its parent is gone too.
    status = Path(f"/proc/{process}/stat")
    return status.exists() and status.read_text().rpartition(")")[2].split()[0] == "Z"


@covers("S12.34")
async def test_a_process_ends_with_its_worker_even_if_that_is_killed(
    app, start_process, tmp_path, until
):
    marker = tmp_path / "computing"
    worker = start_process()
    await app.submit("compute_for_ever", str(marker))
    await until(marker.exists)
    process = int(marker.read_text())
    assert process != worker.pid
    worker.kill()
    await until(lambda: is_gone(process))


@covers("S12.14", "S12.34")
async def test_a_worker_that_drains_in_vain_ends_the_process_and_hands_the_node_to_another(
    app, start_process, tmp_path, until
):
    marker = tmp_path / "computing"
    first = start_process("first")
    run = await app.submit("compute_at_last", str(marker))
    await until(marker.exists)
    process = int(marker.read_text())
    first.send_signal(signal.SIGTERM)
    await until(lambda: first.poll() is not None)
    assert first.returncode == 0
    assert is_gone(process)
    marker.with_name("computing.enough").touch()
    start_process("second")
    result = await run.result(timeout=60)
    assert result.output == "computed"


@covers("S12.34")
async def test_a_node_whose_run_is_cancelled_ends_with_its_process(
    app, start_process, tmp_path, until
):
    marker = tmp_path / "computing"
    start_process()
    run = await app.submit("compute_for_ever", str(marker))
    await until(marker.exists)
    await run.cancel()
    await until(lambda: is_gone(int(marker.read_text())))
    other = await app.submit("answer", "still at work")
    assert (await other.result(timeout=60)).output == "still at work"


async def test_a_node_whose_run_ends_while_it_waits_for_a_process_does_not_start(
    make_app, working, tmp_path, until
):
    app = make_app(cpu_processes=1)
    first, second, third = (tmp_path / name for name in ("first", "second", "third"))
    async with working(app):
        computing = await app.submit("compute_at_last", str(first))
        await until(first.exists)
        waiting = await app.submit("compute_at_last", str(second))
        queue = (await app._connect()).adapter.ports.queue
        while await queue.depth():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)
        await waiting.cancel()
        for marker in (first, third):
            marker.with_name(f"{marker.name}.enough").touch()
        await computing.result(timeout=60)
        later = await app.submit("compute_at_last", str(third))
        await later.result(timeout=60)
    assert not second.exists()
