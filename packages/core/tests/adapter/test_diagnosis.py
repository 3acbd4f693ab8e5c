"""What an adapter says of itself to `flowcraft doctor`."""

from __future__ import annotations

from flowcraft.testing import covers
from packages.core.tests.adapter.stage import Stage, virtually


@covers("S12.18")
@virtually
async def test_an_adapter_of_four_methods_says_what_it_cannot_hold_against_late_workers(
    stage: Stage,
) -> None:
    told = [found.topic for found in await stage.client.diagnose()]
    assert told == (["late workers"] if stage.kind == "four_method" else [])
