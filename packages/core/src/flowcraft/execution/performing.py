"""What comes of performing an activation, other than an exception nobody expected."""

from __future__ import annotations

from typing import NamedTuple

from flowcraft.errors import text_of


class Performed(NamedTuple):
    """A result that is ready to be recorded; the output as a stored value."""

    output: bytes
    action: str | None = None
    items: int | None = None
    gathered: str | None = None


class AttemptError(Exception):
    """The attempt failed; `__cause__` is why."""

    def __init__(self, error: BaseException, *, is_retryable: bool) -> None:
        super().__init__(text_of(error))
        self.error = error
        self.is_retryable = is_retryable


class HandBackError(Exception):
    """This worker cannot perform it now; another one may, or this one later."""

    def __init__(self, delay_seconds: float) -> None:
        super().__init__(f"handed back for {delay_seconds} s")
        self.delay_seconds = delay_seconds


class RunOverError(Exception):
    """The run has ended, or is gone: what was performed is discarded."""


class BeatenError(Exception):
    """Another worker recorded the activation first."""

    def __init__(self, record: bytes) -> None:
        super().__init__("recorded by another worker")
        self.record = record
