"""Whether and when a failed attempt is followed by another."""

from __future__ import annotations

from flowcraft.blueprint.model import NodeConfig

LONGEST_DELAY_SECONDS = 300.0
_LARGEST_EXPONENT = 1023  # of a power of two that a float holds


def delay_seconds(config: NodeConfig, attempt: int, *, chance: float) -> float:
    """How long to wait after attempt `attempt` failed.

    Doubles with each attempt, up to five minutes; jitter takes away at most half.

    Args:
        config: The node's settings.
        attempt: The attempt that failed, from 1.
        chance: A number in [0, 1).
    """
    factor: float = 2.0 ** min(attempt - 1, _LARGEST_EXPONENT)
    full = min(config.retry_delay_ms / 1000 * factor, LONGEST_DELAY_SECONDS)
    return full * (1 - chance / 2)


def may_retry(config: NodeConfig, attempt: int, *, retryable: bool) -> bool:
    """Whether another attempt is left for an error of this kind."""
    return retryable and attempt < config.attempts
