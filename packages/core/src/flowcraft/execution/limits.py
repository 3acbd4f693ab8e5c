"""Small rules of a run that both drivers keep: its deadline, its children's ids, its keys.

The error of a batch item that its batch goes on past is kept as a context key of the engine's
own, because a context write becomes visible with the record that it belongs to and never after
the end of the run. Results show such keys as errors, not as context.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec

from flowcraft.blueprint import id_fault
from flowcraft.blueprint.durations import LONGEST_SECONDS
from flowcraft.engine.record import ErrorInfo
from flowcraft.errors import RunError, ValueNotStorableError

LONGEST_KEY_BYTES = 512
OWN_RUNS = "__flowcraft"
"""What the ids begin with under which an adapter of four methods keeps what is no run."""
ERRORS = "/errors/"
"""What the context keys begin with that hold the errors of items passed over."""


def check_id(run_id: str) -> None:
    """Refuse an id that no run can have.

    Raises:
        RunError: Says what is wrong with it.
    """
    fault = id_fault(run_id)
    if fault is None and run_id.startswith(OWN_RUNS):
        fault = f"what begins with {OWN_RUNS!r} is the engine's own; choose another one"
    if fault is not None:
        raise RunError(f"run id {run_id!r}: {fault}")


def check_key(key: str) -> None:
    """Refuse a context key that is empty, longer than 512 bytes, or the engine's own."""
    try:
        length = len(key.encode())
    except UnicodeEncodeError as error:
        raise ValueNotStorableError(f"context key {key!r}: half of a surrogate pair") from error
    if not 1 <= length <= LONGEST_KEY_BYTES:
        raise ValueNotStorableError(f"context key {key!r}: a text of 1 to 512 bytes is needed")
    if key.startswith(ERRORS):
        raise ValueNotStorableError(f"context key {key!r}: what begins with {ERRORS!r} is reserved")


def passed_over(activation: str, error: ErrorInfo) -> dict[str, bytes]:
    """The context write that keeps the error of an item that its batch goes on past."""
    return {ERRORS + activation: msgspec.json.encode(error)}


def split_errors(stored: Mapping[str, bytes]) -> tuple[dict[str, bytes], list[ErrorInfo]]:
    """Tell the context of a run from the errors of items kept in it; those item by item."""
    context = {key: value for key, value in stored.items() if not key.startswith(ERRORS)}
    kept = sorted((key for key in stored if key.startswith(ERRORS)), key=_by_number)
    return context, [msgspec.json.decode(stored[key], type=ErrorInfo) for key in kept]


def _by_number(key: str) -> list[tuple[int, str]]:
    """A key's segments so that item 10 comes after item 9."""
    numbers = ((segment.lstrip("#"), segment) for segment in key.split("/"))
    return [(int(digits) if digits.isdecimal() else -1, text) for digits, text in numbers]


def check_action(action: object) -> None:
    """Refuse what no edge can name: the action that a wait is resumed with is None or a text."""
    if action is None:
        return
    if not isinstance(action, str) or not action:
        raise RunError(
            f"action={action!r}: an action is a text that is not empty; leave it out for none"
        )
    try:
        action.encode()
    except UnicodeEncodeError as error:
        raise RunError(f"action={action!r}: half of a surrogate pair; remove it") from error


def check_deadline(seconds: object) -> None:
    """Refuse a deadline that is no number of seconds above 0, or beyond 100 years."""
    if seconds is None:
        return
    if not (isinstance(seconds, int | float) and 0 < seconds <= LONGEST_SECONDS):
        raise RunError(
            f"deadline_seconds={seconds!r}: a number of seconds above 0, at most 100 years; "
            "leave it out for none"
        )


def check_delay(seconds: object) -> None:
    """Refuse a delay that is no number of seconds from 0 on, or beyond 100 years."""
    if not (isinstance(seconds, int | float) and 0 <= seconds <= LONGEST_SECONDS):
        raise RunError(
            f"delay_seconds={seconds!r}: a number of seconds from 0 on, at most 100 years"
        )


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
