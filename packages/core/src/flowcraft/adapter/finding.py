"""What `flowcraft doctor` finds."""

from __future__ import annotations

from typing import Literal

import msgspec

Level = Literal["ok", "note", "problem"]


class Finding(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing that was looked at.

    Args:
        level: `ok`; `note` for what one should know and may leave; `problem` for what is wrong.
        topic: What it is about, in a word or two.
        text: What was found.
        mend: What to do about it; empty where there is nothing to do.
    """

    level: Level
    topic: str
    text: str
    mend: str = ""
