"""The run store as the sweeper uses it: which runs nobody moves, and who is at what."""

from __future__ import annotations

from flowcraft.ports.store import End, Lease, Stalled
from flowcraft.testing.checks import check
from flowcraft.testing.contracts.making import create, load, now
from flowcraft.testing.contracts.registry import FAR
from flowcraft.testing.contracts.store import stores
from flowcraft.testing.stage import Stage

UNSEEN_DELAYS = 10
"""After so many times the first delay a run is looked at, however busy it is."""


def first_delay(stage: Stage) -> float:
    """The longest time for which a new run is left alone by the sweeper."""
    return max(stage.lease_seconds, stage.client.parts.options.sweep_interval_seconds)


class SweepingContract:
    """`RunStore`: the index by last progress, and the leases of activations."""

    @check("S12.1", "S12.2", "G1")
    async def test_a_run_that_nobody_moves_is_found_after_a_while(self, stage: Stage) -> None:
        """Not at once; until its end is announced; also by other processes."""
        await create(stage, "p")
        await create(stage, parent="p")  # an end that is announced in a step of its own
        (store,) = stores(stage, 1)
        began = now(stage)
        assert list(await store.stalled(began, 9)) == []
        later = began + first_delay(stage)
        assert Stalled("run", 0) in await store.stalled(later, 9)
        await store.finish([End("run", "completed", at=began)])
        assert Stalled("run", 0) in await store.stalled(later, 9), "an end is never announced"
        await store.mark_announced(["run"])
        assert list(await store.stalled(began + FAR, 9)) == [Stalled("p", 0)]
        assert (await stage.header()).is_announced

    @check("S12.2", "G1")
    async def test_runs_that_rest_longest_come_first(self, stage: Stage) -> None:
        store, began = stage.client.ports.store, now(stage)
        for index in range(4):
            await create(stage, f"r{index}")
        order = {"r2": 1.0, "r0": 2.0, "r3": 3.0, "r1": 4.0}
        await store.touch({run_id: began + after for run_id, after in order.items()}, [])
        assert [found.run_id for found in await store.stalled(began + 9, 9)] == [*order]
        assert [found.run_id for found in await store.stalled(began + 9, 2)] == ["r2", "r0"]
        assert [found.run_id for found in await store.stalled(began + 3.5, 9)] == ["r2", "r0", "r3"]
        assert list(await store.stalled(began + 0.5, 9)) == []

    @check("S12.2")
    async def test_visits_of_the_sweeper_are_counted_until_there_is_progress(
        self, stage: Stage
    ) -> None:
        store, began = await create(stage), now(stage)
        for visits in (1, 2, 3):
            until = began + visits
            await store.swept({"run": until})
            assert list(await store.stalled(until - 0.5, 9)) == []
            assert list(await store.stalled(until, 9)) == [Stalled("run", visits)]
        await store.touch({"run": began + 9}, [])
        assert list(await store.stalled(began + 8.5, 9)) == []
        assert list(await store.stalled(began + 9, 9)) == [Stalled("run", 0)]

    @check("S12.33")
    async def test_a_busy_run_is_looked_at_once_in_a_long_while(self, stage: Stage) -> None:
        """Whatever those who are busy with it say, before the first visit and after one."""
        store, began = await create(stage), now(stage)
        longest = UNSEEN_DELAYS * first_delay(stage)
        for _ in range(2):
            for _ in range(3):
                await store.touch({"run": began + FAR}, [])
            assert list(await store.stalled(began, 9)) == []
            assert list(await store.stalled(began + longest, 9)) == [Stalled("run", 0)]
            await store.swept({"run": began + 1})

    @check("S12.11", "S1.17", "G4")
    async def test_what_is_announced_stays_off_the_index(self, stage: Stage) -> None:
        """Whatever a worker or a sweeper that comes late says of it."""
        store, began = await create(stage), now(stage)
        await store.finish([End("run", "completed", at=began)])
        await store.mark_announced(["run"])
        await store.touch({"run": began, "never was": began}, [])
        await store.swept({"run": began, "never was": began})
        assert list(await store.stalled(began + FAR, 9)) == []
        assert list(await store.headers(["never was"])) == [None]

    @check("S12.65", "S12.1", "G1")
    async def test_a_run_in_progress_is_not_taken_for_announced(self, stage: Stage) -> None:
        """By a late word of the end of one that was purged, and had its id."""
        store, began = await create(stage), now(stage)
        await store.mark_announced(["run"])
        assert not (await stage.header()).is_announced
        assert list(await store.stalled(began + FAR, 9)) == [Stalled("run", 0)]
        assert list(await store.expired(began + FAR, 9)) == []

    @check("S12.32", "S12.3")
    async def test_a_lease_says_who_is_at_an_activation(self, stage: Stage) -> None:
        """Of that attempt and to everybody; of no other activation and no other run."""
        await create(stage)
        await create(stage, "other")
        first, second = stores(stage, 2)
        until = now(stage) + stage.lease_seconds + 0.75
        leases = [Lease("run", "n/3", 2, "worker one/2", until), Lease("run", "m", 1, "w2", until)]
        await first.touch({"run": until}, leases)
        found = await second.leases("run", ["n/3", "m", "n", "n/4"])
        assert {key: lease[:4] for key, lease in found.items()} == {
            lease.key: lease[:4] for lease in leases
        }
        assert all(lease.until >= until - 0.001 for lease in found.values())
        loaded = await load(stage, "n/3")
        assert loaded.lease is not None
        assert loaded.lease[:4] == leases[0][:4]
        assert (await load(stage, "n")).lease is None
        assert dict(await second.leases("other", ["n/3", "m"])) == {}

    @check("S12.32", "G1")
    async def test_a_lease_ends_by_itself_and_another_worker_may_have_the_next(
        self, stage: Stage
    ) -> None:
        """Its holder prolongs it for as long as it is at it."""
        store = await create(stage)

        async def take(worker: str) -> float:
            until = now(stage) + stage.lease_seconds
            await store.touch({"run": until}, [Lease("run", "n", 1, worker, until)])
            return until

        async def holder() -> str | None:
            found = (await store.leases("run", ["n"])).get("n")
            return found.worker if found is not None and found.until > now(stage) else None

        await take("first")
        await _sleep(stage, 0.75)
        await take("first")
        await _sleep(stage, 0.75)
        assert await holder() == "first", "a worker that is alive lost its lease"
        await _sleep(stage, 0.25)
        assert await holder() is None
        await take("second")
        assert await holder() == "second"


async def _sleep(stage: Stage, leases: float) -> None:
    await stage.client.parts.clock.sleep(leases * stage.lease_seconds + stage.harness.tick_seconds)
