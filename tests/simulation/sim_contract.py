"""The adapter of four methods behind a gate; its messages may be lost, or come twice."""

from __future__ import annotations

import random

from flowcraft.adapter.options import RuntimeOptions
from flowcraft.clock import Clock
from flowcraft.ports.contract import JobPayload, encode_job
from tests.four_method.adapter import FourMethodAdapter, Message, ToyServer
from tests.simulation.faults import Faults, Gate, Opening


class SimContractAdapter(FourMethodAdapter):
    """See the module's text."""

    def __init__(
        self,
        options: RuntimeOptions,
        server: ToyServer,
        gate: Opening,
        faults: Faults,
        server_clock: Clock,
        bodies: list[bytes],
        *,
        lease_seconds: float,
        dice: random.Random,
    ) -> None:
        self._faults = faults
        self._is_faulty = isinstance(gate, Gate) and gate.has_faults
        self._bodies = bodies
        super().__init__(
            options, server, call=gate.call, lease_seconds=lease_seconds, dice=dice,
            server_clock=server_clock,
        )  # fmt: skip

    async def enqueue_job(self, job: JobPayload) -> None:
        body = encode_job(job)
        await self.call("enqueue_job", lambda: self._put(body))

    def _put(self, body: bytes) -> None:
        clock = self._server_clock
        copies = self._faults.copies(clock.monotonic()) if self._is_faulty else [0.0]
        for late in copies:
            self._bodies.append(body)
            self.server.messages.append(Message(body, clock.now() + late))
