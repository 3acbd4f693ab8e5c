"""A process whose files may not grow: gets COMMAND and FILE, writes what came of it as JSON."""

from __future__ import annotations

import asyncio
import json
import resource
import sys

from flowcraft.clock import SystemClock
from flowcraft.errors import BackendError
from flowcraft.sqlite import SqliteBackend, SqliteSettings
from packages.core.tests.bad_days.apps import make_app, working

LARGEST_FILE_BYTES = 400_000


def limit(size: int | None) -> None:
    """Let no file grow beyond a size; the system refuses it as it does on a full disk."""
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard if size is None else size, hard))


async def log(path: str) -> object:
    """Write few pages often, so that only the log grows, and go on after it is full."""
    backend = SqliteBackend(SqliteSettings(path=path), SystemClock())
    await backend.open()
    limit(LARGEST_FILE_BYTES)
    message, number = "", 0
    while not message:
        number += 1
        value = f"{number:05}" * 200
        try:
            await backend.transact(lambda db: db.put_key(f"k{number % 10}", value, None))  # noqa: B023
        except BackendError as error:
            message = str(error)
    await backend.transact(lambda db: db.put_key("after", "kept", None))
    found = await backend.transact(lambda db: (db.get_key("after"), db.get_key("k1")))
    await backend.aclose()
    return [message, found[0], found[1] is not None]


async def runs(path: str) -> object:
    """Submit until there is no room; make room; wait for all that was accepted."""
    app = make_app(path)
    async with app, working(make_app(path)):
        limit(LARGEST_FILE_BYTES)
        accepted, message = [], ""
        while not message:
            try:
                accepted.append(await app.submit("twice", "x" * 20_000))
            except BackendError as error:
                message = str(error)
        limit(None)
        results = [await run.result(60) for run in accepted]
    return [message, [result.status for result in results]]


if __name__ == "__main__":
    command = {"log": log, "runs": runs}[sys.argv[1]]
    print(json.dumps(asyncio.run(command(sys.argv[2]))))
