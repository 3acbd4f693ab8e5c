"""The adapter under the conformance kit."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from flowcraft.adapter.base import BaseDistributedAdapter
from flowcraft.adapter.options import RuntimeOptions
from flowcraft.testing import Contracts, CrashAtEveryStep, Faults, Harness, Scenarios, Wire
from flowcraft_files.adapter import FilesAdapter
from flowcraft_files.folder import Files, Folder, file_name
from flowcraft_files.queue import Message, add_message, move_message
from flowcraft_files.settings import FilesSettings
from flowcraft_files.spec import SPEC


class FilesHarness(Harness):
    """A folder; each adapter reaches it as another process would."""

    spec = SPEC
    is_fast = False  # a sample of the calls; `pytest --all-crash-points` takes all

    def __init__(self, folder: Path) -> None:
        self._path = folder
        self._stranger = Folder(str(folder), lock_seconds=5.0)
        self._sent = 0

    def elsewhere(self) -> FilesSettings:
        limit = self.largest_value_bytes
        return FilesSettings(
            path=str(self._path),
            lease_seconds=self.lease_seconds,
            **({} if limit is None else {"largest_value_bytes": limit}),
        )

    def url(self) -> str:
        return f"files:///{self._path}"

    def adapter(self, options: RuntimeOptions, wire: Wire) -> BaseDistributedAdapter:
        return FilesAdapter(options, self.elsewhere(), call=wire.call)

    async def send_foreign(self, body: bytes) -> None:
        self._sent += 1
        message = Message(f"foreign-{self._sent}", body, 0.0)
        await self._stranger.step("send", lambda files: add_message(files, message))

    async def messages(self) -> Sequence[bytes]:
        found = await self._stranger.step("look", _messages)
        return [message.body for message in found]

    async def redeliver(self) -> bool:
        def end_leases(files: Files) -> None:
            for message in _messages(files):
                if message.is_taken:
                    move_message(files, message, 0.0)

        await self._stranger.step("redeliver", end_leases)
        return True

    async def traces(self, run_id: str) -> Sequence[str]:
        """Files that name the run; the keys of the coordination store are not the run's."""
        return [
            str(path)
            for path in self._path.rglob("*")
            if path.is_file() and "keys" not in path.parts
            if file_name(run_id) in path.parts or run_id.encode() in path.read_bytes()
        ]

    async def aclose(self) -> None:
        await self._stranger.aclose()


def _messages(files: Files) -> list[Message]:
    return files.get_all(("messages",), Message)


@pytest.fixture
def harness(tmp_path: Path) -> Harness:
    return FilesHarness(tmp_path / "runs")


class TestContracts(Contracts):
    pass


class TestScenarios(Scenarios):
    pass


class TestCrashes(CrashAtEveryStep):
    pass


class TestFaults(Faults):
    pass
