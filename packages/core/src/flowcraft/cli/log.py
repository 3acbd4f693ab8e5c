"""One line for each thing that a worker says, with its facts: plain, or a JSON object."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class PlainFormatter(logging.Formatter):
    """Time, level, message, then whatever was said beside it.

    2026-01-31T09:30:00.123Z INFO started run=01J... node=charge scope=/#3 attempt=1
    """

    def format(self, record: logging.LogRecord) -> str:
        parts = [_moment(record), record.levelname, record.getMessage()]
        parts += [f"{name}={_shown(value)}" for name, value in _facts(record)]
        line = " ".join(parts)
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return line


class JsonFormatter(logging.Formatter):
    """The same as an object: `at`, `level`, `logger`, `message`, the facts, and a traceback."""

    def format(self, record: logging.LogRecord) -> str:
        said = {
            "at": _moment(record),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        # What everything has comes first, and a fact of the same name does not hide it.
        said = {**said, **dict(_facts(record)), **said}
        if record.exc_info:
            said["traceback"] = self.formatException(record.exc_info)
        return json.dumps(said, ensure_ascii=False, default=str)


def _moment(record: logging.LogRecord) -> str:
    at = datetime.fromtimestamp(record.created, tz=UTC)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03}Z"


def _facts(record: logging.LogRecord) -> Iterator[tuple[str, Any]]:
    """What was said beside the message, but for what is empty."""
    for name, value in vars(record).items():
        if name not in _OWN and value not in ("", None):
            yield name, value


def _shown(value: object) -> str:
    text = str(value)
    is_plain = text.isprintable() and not any(character in text for character in ' "=')
    return text if is_plain else json.dumps(text, ensure_ascii=False)


def log_to_stderr(level: str, *, as_json: bool = False) -> None:
    """Say everything from a level on, of Flowcraft and of the application's own nodes."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if as_json else PlainFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
