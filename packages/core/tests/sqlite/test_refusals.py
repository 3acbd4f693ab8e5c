"""Files that are not taken, each with what to do about it."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flowcraft.errors import BackendError, SchemaVersionError, SettingsError
from flowcraft.sqlite import SqliteBackend, SqliteSettings, schema
from flowcraft.sqlite.settings import filesystem_of, refuse_network_filesystem
from flowcraft.testing import covers

NOBODY = 65534


def execute(path: str, *statements: str) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        for statement in statements:
            connection.execute(statement)
    finally:
        connection.close()


@covers("S12.31")
async def test_a_newer_file_is_refused_and_not_touched(
    backend: SqliteBackend, open_backend: Any, path: str
) -> None:
    await backend.open()
    await backend.aclose()
    execute(path, "PRAGMA journal_mode = DELETE", f"PRAGMA user_version = {schema.VERSION + 1}")
    before = Path(path).read_bytes()
    with pytest.raises(SchemaVersionError, match="Upgrade it"):
        await open_backend().open()
    assert Path(path).read_bytes() == before
    assert os.listdir(os.path.dirname(path)) == [os.path.basename(path)]


async def test_a_current_file_is_opened_as_it_is(open_backend: Any) -> None:
    first = open_backend()
    await first.transact(lambda db: db.put_key("k", "v", None))
    await first.aclose()
    assert await open_backend().transact(lambda db: db.get_key("k")) == ("v", None)


async def test_what_is_no_database_is_refused(backend: SqliteBackend, path: str) -> None:
    Path(path).write_bytes(b"a letter to a friend, and no database at all" * 100)
    with pytest.raises(BackendError, match="no SQLite database") as caught:
        await backend.open()
    assert isinstance(caught.value.__cause__, sqlite3.DatabaseError)


@pytest.mark.parametrize(
    "statement", ["CREATE TABLE theirs (x)", "PRAGMA application_id = 7"], ids=["table", "mark"]
)
async def test_the_database_of_another_program_is_refused(
    backend: SqliteBackend, path: str, statement: str
) -> None:
    execute(path, statement)
    with pytest.raises(BackendError, match="another program"):
        await backend.open()


async def test_a_folder_that_is_not_there_is_named(open_backend: Any, tmp_path: Path) -> None:
    backend = open_backend(path=str(tmp_path / "nowhere" / "flow.db"))
    with pytest.raises(BackendError, match=r"there is no folder .*nowhere"):
        await backend.open()


async def test_a_folder_in_place_of_a_file_is_an_error(open_backend: Any, tmp_path: Path) -> None:
    with pytest.raises(BackendError, match="cannot be opened"):
        await open_backend(path=str(tmp_path)).open()


async def test_a_damaged_file_is_an_error(backend: SqliteBackend, path: str) -> None:
    await backend.transact(lambda db: [db.put_key(f"k{i}", "v" * 100, None) for i in range(2000)])
    await backend.aclose()
    size = os.path.getsize(path)
    with open(path, "r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (size - 4096))
    with pytest.raises(BackendError, match="damaged") as caught:
        await backend.transact(lambda db: db.get_key("k1"))
    assert isinstance(caught.value.__cause__, sqlite3.DatabaseError)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user may enter."""
    folder = Path(tempfile.mkdtemp(prefix="flowcraft-test-"))
    try:
        folder.chmod(0o755)
        yield folder
    finally:
        shutil.rmtree(folder)


@pytest.mark.parametrize(
    ("mode", "folder_mode"), [(0o444, 0o755), (0o444, 0o777), (0o666, 0o755), (0o666, 0o700)]
)
async def test_a_file_or_folder_that_may_not_be_written_is_an_error(
    open_folder: Path, open_backend: Any, spawn: Any, mode: int, folder_mode: int
) -> None:
    path = open_folder / "flow.db"
    backend = open_backend(path=str(path))
    await backend.open()
    await backend.aclose()
    path.chmod(mode)
    open_folder.chmod(folder_mode)
    # The superuser may write whatever the mode says, so the child becomes somebody else.
    user = [str(NOBODY)] if os.geteuid() == 0 else []
    child = await spawn("write", str(path), *user)
    kind, message, cause = json.loads(await child.line())
    assert kind == "BackendError"
    assert "Let this user write" in message
    assert "OperationalError" in cause


MOUNTS = r"""
/dev/vda / ext4 rw 0 0
server:/home /home nfs4 rw 0 0
/dev/vdb /home/local ext4 rw 0 0
me@there: /mnt/my\040disk fuse.sshfs rw 0 0
tmpfs /over tmpfs rw 0 0
//there/share /over cifs rw 0 0
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/flow.db", "ext4"),
        ("/home/flow.db", "nfs4"),
        ("/homes/flow.db", "ext4"),
        ("/home/local/flow.db", "ext4"),
        ("/mnt/my disk/deep/flow.db", "fuse.sshfs"),
        ("/over/flow.db", "cifs"),
    ],
)
def test_the_filesystem_is_that_of_the_nearest_mount(path: str, kind: str) -> None:
    assert filesystem_of(path, MOUNTS) == kind


@covers("S12.30")
async def test_a_network_filesystem_is_refused_unless_it_is_allowed(
    open_backend: Any, tmp_path: Path, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(f"server:/x {os.path.realpath(tmp_path)} nfs4 rw 0 0\n")
    with pytest.raises(SettingsError, match="allow_network_filesystem"):
        refuse_network_filesystem(path, str(mounts))
    refuse_network_filesystem(path, str(tmp_path / "no such table"))
    monkeypatch.setattr(refuse_network_filesystem, "__defaults__", (str(mounts),))
    with pytest.raises(SettingsError, match="nfs4"):
        await open_backend().open()
    assert not os.path.exists(path)
    await open_backend(allow_network_filesystem=True).open()


def test_a_file_in_memory_is_refused() -> None:
    for path in (":memory:", "file::memory:", "", "a\0b"):
        with pytest.raises(SettingsError, match="the name of a file"):
            SqliteSettings(path=path)
