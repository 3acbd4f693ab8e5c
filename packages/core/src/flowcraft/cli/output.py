"""What the commands write: for a person, or for a program."""

from __future__ import annotations

from typing import Any

import msgspec


def write(as_json: bool, value: Any, text: str) -> None:
    """Write what a program reads, or what a person does."""
    print(json_text(value) if as_json else text)


def json_text(value: Any) -> str:
    """A value as one line of JSON."""
    return msgspec.json.encode(value).decode()
