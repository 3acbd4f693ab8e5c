"""Another library, measured in an interpreter of its own and in the same run.

Its script answers a line of JSON on stdin, `{"shape": "chain", "size": 1000}`, with one on
stdout, `{"wall": seconds, "cpu": seconds}`. Its first line says what it is.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from importlib.util import find_spec
from pathlib import Path

from benchmarks.measure import Contestant, Sample

PYTHON = "FLOWCRAFT_BENCH_PYTHON"
"""Names the interpreter that has the peers; this one if it is not set."""


class Peer:
    """A library that runs the same graphs.

    Attributes:
        name: What it is, with its version.
    """

    def __init__(self, name: str, process: asyncio.subprocess.Process) -> None:
        self.name = name
        self._process = process

    @classmethod
    async def open(cls, module: str, *arguments: str) -> Peer | str:
        """Start the script `<module>_peer.py`, or say why there is no such peer."""
        python = os.environ.get(PYTHON)
        if python is None and find_spec(module) is None:
            return (
                f"{module} is not installed: pip install --group bench, "
                f"or name an interpreter that has it in {PYTHON}"
            )
        python = python or sys.executable
        script = str(Path(__file__).with_name(f"{module}_peer.py"))
        pipe = asyncio.subprocess.PIPE
        try:
            process = await asyncio.create_subprocess_exec(
                python, script, *arguments, stdin=pipe, stdout=pipe
            )
        except OSError as error:
            return f"{python} does not start: {error}"
        assert process.stdout is not None
        first = await process.stdout.readline()
        if not first:
            await process.wait()
            return f"{module} does not start under {python}"
        return cls(json.loads(first)["name"], process)

    def runs(self, shape: str, size: int) -> Contestant:
        """Measure a run of a `chain` or a `fan`."""

        async def measured() -> Sample:
            stdin, stdout = self._process.stdin, self._process.stdout
            assert stdin is not None
            assert stdout is not None
            stdin.write(json.dumps({"shape": shape, "size": size}).encode() + b"\n")
            await stdin.drain()
            answer = json.loads(await stdout.readline())
            return Sample(answer["wall"], answer["cpu"])

        return measured

    async def aclose(self) -> None:
        """End its process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._process.wait()
