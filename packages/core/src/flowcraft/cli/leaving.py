"""Ends the process although something of a node goes on, which nothing can end."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading

LEFT_BEHIND_SECONDS = 1.0
"""How long tasks that nodes left behind may take to end, when their worker has."""


async def end_tasks() -> bool:
    """Cancel what nodes left behind; whether something of it does not end."""
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    if not tasks:
        return False
    _, stuck = await asyncio.wait(tasks, timeout=LEFT_BEHIND_SECONDS)
    return bool(stuck)


def leave(code: int = 0, *, has_tasks: bool = False) -> None:
    """End the process if a thread or a task of a node still runs."""
    others = [
        thread
        for thread in threading.enumerate()
        if thread is not threading.main_thread() and not thread.daemon
    ]
    has_threads = any(it.is_alive() and it.name.startswith("flowcraft-node") for it in others)
    if has_tasks or has_threads:
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
