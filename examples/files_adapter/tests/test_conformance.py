"""The adapter under the conformance kit."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from flowcraft.adapter.base import BaseDistributedAdapter
from flowcraft.adapter.options import RuntimeOptions
from flowcraft.testing import CoordinationContract, Harness, JoinScenarios, Wire
from flowcraft_files.adapter import FilesAdapter
from flowcraft_files.folder import Folder
from flowcraft_files.queue import Message, add_message
from flowcraft_files.settings import FilesSettings
from flowcraft_files.spec import SPEC


class FilesHarness(Harness):
    """A folder; each adapter reaches it as another process would."""

    spec = SPEC

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._path = str(folder)
        self._stranger = Folder(self._path, lock_seconds=5.0)
        self._sent = 0

    def elsewhere(self) -> FilesSettings:
        limit = self.largest_value_bytes
        return FilesSettings(
            path=self._path,
            lease_seconds=self.lease_seconds,
            **({} if limit is None else {"largest_value_bytes": limit}),
        )

    def adapter(self, options: RuntimeOptions, wire: Wire) -> BaseDistributedAdapter:
        return FilesAdapter(options, self.elsewhere(), call=wire.call)

    async def send_foreign(self, body: bytes) -> None:
        self._sent += 1
        message = Message(f"foreign-{self._sent}", body, 0.0)
        await self._stranger.step("send", lambda files: add_message(files, message))

    async def messages(self) -> Sequence[bytes]:
        found = await self._stranger.step(
            "look", lambda files: files.get_all(("messages",), Message)
        )
        return [message.body for message in found]

    async def aclose(self) -> None:
        await self._stranger.aclose()


@pytest.fixture
def harness(tmp_path: Path) -> Harness:
    return FilesHarness(tmp_path / "runs")


class TestCoordination(CoordinationContract):
    pass


class TestJoins(JoinScenarios):
    pass
