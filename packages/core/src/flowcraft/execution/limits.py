"""Small rules of a run that both drivers keep: its deadline, its children's ids, its keys."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from flowcraft.errors import ValueNotStorableError

LONGEST_KEY_BYTES = 512


def check_key(key: str) -> None:
    """Refuse a context key that is empty or longer than 512 bytes."""
    try:
        length = len(key.encode())
    except UnicodeEncodeError as error:
        raise ValueNotStorableError(f"context key {key!r}: half of a surrogate pair") from error
    if not 1 <= length <= LONGEST_KEY_BYTES:
        raise ValueNotStorableError(f"context key {key!r}: a text of 1 to 512 bytes is needed")


def deadline_at(metadata: Mapping[str, Any], now: float, seconds: float | None) -> float | None:
    """When a run must have ended: by its submission, else by its blueprint's `timeout` (ms)."""
    if seconds is not None:
        return now + seconds
    timeout_ms = metadata.get("timeout")
    return None if timeout_ms is None else now + float(timeout_ms) / 1000


def child_id(run_id: str, activation: str, attempt: int) -> str:
    """The id of the child run of an attempt: the same whoever works it out."""
    text = f"{run_id}\n{activation}\n{attempt}".encode()
    digest = hashlib.sha256(text).hexdigest()[:24]
    return f"{run_id}~{digest}" if len(run_id.encode()) <= 150 else f"run~{digest}"
