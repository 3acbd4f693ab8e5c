"""One plain line for each thing that a worker says, with its facts as `name=value`."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime

_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class PlainFormatter(logging.Formatter):
    """Time, level, message, then whatever was said beside it.

    2026-01-31T09:30:00.123Z INFO started run=01J... node=charge scope=/#3 attempt=1
    """

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, tz=UTC)
        parts = [
            f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03}Z",
            record.levelname,
            record.getMessage(),
        ]
        for name, value in vars(record).items():
            if name not in _OWN and value not in ("", None):
                parts.append(f"{name}={_shown(value)}")
        line = " ".join(parts)
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return line


def _shown(value: object) -> str:
    text = str(value)
    is_plain = text.isprintable() and not any(character in text for character in ' "=')
    return text if is_plain else json.dumps(text, ensure_ascii=False)


def log_to_stderr(level: str) -> None:
    """Say everything from a level on, of Flowcraft and of the application's own nodes."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(PlainFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
