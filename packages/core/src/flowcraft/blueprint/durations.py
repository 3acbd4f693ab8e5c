"""How long a sleep lasts: milliseconds, or a text such as "10s", "5m", "1h", "2d"."""

from __future__ import annotations

import math
import re
from types import MappingProxyType
from typing import Any

_UNIT_SECONDS = MappingProxyType({"s": 1, "m": 60, "h": 3600, "d": 86400})
_TEXT = re.compile(r"([0-9]{1,15})([smhd])")

LONGEST_SECONDS = 100 * 366 * 86400
"""Timers are kept as points in time, and a due time past the year 9999 has no date."""


def duration_seconds(value: Any) -> float:
    """Return the seconds that a sleep's `duration` stands for.

    Args:
        value: Milliseconds, at least 0, or digits and one of the units s, m, h, d.

    Raises:
        ValueError: It is neither, or more than 100 years; the message says what to write.
    """
    if isinstance(value, str):
        match = _TEXT.fullmatch(value)
        if match is None:
            raise ValueError(f"{value!r} is no duration; write milliseconds or '10s', '5m', '1h'")
        seconds = float(int(match[1]) * _UNIT_SECONDS[match[2]])
    elif isinstance(value, int | float) and not isinstance(value, bool):
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"{value} is no duration; write a finite number of milliseconds")
        if value < 0:
            raise ValueError(f"{value} is negative; a duration is at least 0")
        # Compared before the division: a huge integer does not fit in a float.
        if value > LONGEST_SECONDS * 1000:
            raise ValueError("a duration is at most 100 years")
        seconds = value / 1000
    else:
        raise ValueError(
            f"{type(value).__name__} is no duration; write milliseconds or '10s', '5m', '1h'"
        )
    if seconds > LONGEST_SECONDS:
        raise ValueError("a duration is at most 100 years")
    return seconds
