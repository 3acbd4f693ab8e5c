"""The demo's worker processes, and what they say in their logs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from signal import SIGCONT, SIGKILL, SIGSTOP
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
PATIENCE_SECONDS = 40.0
"""How long a worker may take to drain before it counts as stuck."""


class Execution(NamedTuple):
    """One activation of one run, as a worker's log names it."""

    run: str
    node: str
    scope: str


class Worker:
    """A worker process and its log.

    Args:
        name: What it calls itself.
        url: The file that it shares with the others.
        folder: Where its log goes.
    """

    def __init__(self, name: str, *, url: str, folder: Path) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        self.started: list[Execution] = []
        self.executed: list[Execution] = []
        self.is_killed = False
        self._read_until = 0
        command = [sys.executable, "-m", "flowcraft.cli", "worker", "flow:app", "--url", url]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(  # noqa: S603 - our own program
                [*command, "--name", name], cwd=HERE, stdin=subprocess.DEVNULL, stderr=log
            )

    @property
    def pid(self) -> int:
        """The id of the process."""
        return self.process.pid

    def read_log(self) -> None:
        """Take in what the worker said since the last time; a line it is still writing waits."""
        with self.log.open("rb") as log:
            log.seek(self._read_until)
            data = log.read()
        whole = data[: data.rfind(b"\n") + 1]
        self._read_until += len(whole)
        for line in whole.decode().splitlines():
            words = line.split(" ")
            facts = dict(word.split("=", 1) for word in words if "=" in word)
            if "run" not in facts or "node" not in facts:
                continue
            execution = Execution(facts["run"], facts["node"], facts.get("scope", ""))
            if words[2] == "started":
                self.started.append(execution)
            elif words[2] == "executed":
                self.executed.append(execution)

    def under_way(self) -> set[Execution]:
        """What it began to execute and has not finished."""
        self.read_log()
        return set(self.started) - set(self.executed)

    def freeze(self) -> None:
        """Stop the process where it is; returns when it stands still.

        Raises:
            RuntimeError: It had ended.
        """
        self.process.send_signal(SIGSTOP)
        _, status = os.waitpid(self.pid, os.WUNTRACED)
        if not os.WIFSTOPPED(status):
            raise RuntimeError(f"{self.name} ended by itself; its log: {self.tail()}")

    def thaw(self) -> None:
        """Let a frozen process go on."""
        self.process.send_signal(SIGCONT)

    def kill(self) -> None:
        """End the process at once, with SIGKILL; it can do nothing about it."""
        self.process.send_signal(SIGKILL)
        self.process.wait()
        self.is_killed = True

    def drain(self) -> int:
        """Ask the process to finish what it has; its exit code."""
        if self.process.poll() is None:
            self.process.terminate()
        return self.process.wait(PATIENCE_SECONDS)

    def end(self) -> None:
        """See to it that the process is gone, whatever happened."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def tail(self) -> str:
        """The last thing it said."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return lines[-1] if lines else "empty"
