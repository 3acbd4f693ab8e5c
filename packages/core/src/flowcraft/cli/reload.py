"""Runs a command, and again whenever a source file below the working directory changes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress

LOOKS_APART_SECONDS = 0.5
GRACE_SECONDS = 5.0
"""How long a command has to end when its sources changed."""

_LEFT_OUT = ("__pycache__", "node_modules", "site-packages")

Stamps = dict[str, tuple[int, int]]


def run_and_reload(arguments: Sequence[str]) -> None:
    """Run `flowcraft` with these arguments again and again, until Ctrl-C.

    Each run is a process of its own, so that it sees the sources as they are.
    """
    while True:
        before = stamps(os.getcwd())
        command = [sys.executable, "-m", "flowcraft.cli", *arguments]
        process = subprocess.Popen(command)  # noqa: S603 - this program itself
        try:
            changed = _next_change(process, before)
        finally:
            _end(process)
        names = ", ".join(os.path.relpath(path) for path in changed[:3])
        print(f"flowcraft: {names} changed; here it goes again", file=sys.stderr)


def _next_change(process: subprocess.Popen[bytes], before: Stamps) -> list[str]:
    """Wait until a file is another one than before; which."""
    pause = threading.Event()
    while True:
        if process.poll() is None:
            with suppress(subprocess.TimeoutExpired):
                process.wait(LOOKS_APART_SECONDS)
        else:
            pause.wait(LOOKS_APART_SECONDS)
        now = stamps(os.getcwd())
        changed = [path for path in now.keys() | before.keys() if now.get(path) != before.get(path)]
        if changed:
            return sorted(changed)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process as Ctrl-C does; at once if that does not help."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
    try:
        process.wait(GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def stamps(folder: str) -> Stamps:
    """Time and size of every Python file below a folder, but for those of environments."""
    found: Stamps = {}
    for place, folders, files in os.walk(folder):
        folders[:] = [
            name
            for name in folders
            if not name.startswith(".")
            and name not in _LEFT_OUT
            and not os.path.exists(os.path.join(place, name, "pyvenv.cfg"))
        ]
        for name in files:
            if name.endswith(".py"):
                path = os.path.join(place, name)
                try:
                    stat = os.stat(path)
                except OSError:
                    continue  # it went while this looked
                found[path] = (stat.st_mtime_ns, stat.st_size)
    return found
