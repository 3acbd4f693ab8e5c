"""The payload of a run as it is stored, and the context that the run begins with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flowcraft import values
from flowcraft.execution.limits import check_key


def encode_payload(payload: Any, run_id: str, largest_value: int | None) -> bytes:
    """The payload as JSON.

    Raises:
        ValueNotStorableError: It is not strict JSON, or too large.
    """
    return values.encode(payload, what=f"payload of run {run_id!r}", limit_bytes=largest_value)


def context_of(payload: Any) -> dict[str, bytes]:
    """The context that a run begins with: the keys of a payload that is a mapping.

    Raises:
        ValueNotStorableError: A key is none of a context's.
    """
    context: dict[str, bytes] = {}
    if isinstance(payload, Mapping):
        for key, value in payload.items():
            check_key(key)
            context[key] = values.encode(value, what=f"context key {key!r}")
    return context
