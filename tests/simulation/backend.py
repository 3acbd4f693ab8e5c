"""The backend of a simulated world: its rows and keys, and its own clock, which is right."""

from __future__ import annotations

import random

from flowcraft import values
from flowcraft.adapter.contract_register import SYSTEM_RUN
from flowcraft.engine.cells import DUE, OPEN, RECORD
from flowcraft.engine.record import Record, decode_record
from flowcraft.format import FORMAT
from tests.four_method.adapter import Message, ToyServer
from tests.simulation.loop import VirtualLoop
from tests.simulation.setup import Mode
from tests.simulation.sim_clock import SimClock
from tests.simulation.sim_store import SimTables

NEWEST = FORMAT + 1
"""The format of the newest workers that there are in any world."""
_CELLS = "flowcraft/cell/"
_HEADERS = "flowcraft/run/"


class Backend:
    """What all workers share."""

    def __init__(self, mode: Mode, seed: int, loop: VirtualLoop) -> None:
        self.mode = mode
        self.tables = SimTables(random.Random(seed + 2))
        self.server = ToyServer()
        self.clock = SimClock(random.Random(0), "server", loop)

    @property
    def bodies(self) -> list[bytes]:
        """Every message that was ever sent."""
        return self.tables.bodies

    @property
    def opened(self) -> int:
        """How many waits were opened."""
        if self.mode != "contract":
            return self.tables.opened
        return sum(key.endswith(f"//{OPEN}") for key in self.server.keys)

    def waiting(self) -> list[bytes]:
        """The messages that are on the queue, held by somebody or not."""
        if self.mode == "contract":
            return [message.body for message in self.server.messages]
        return [job.body for job in self.tables.jobs.values()]

    def send(self, body: bytes, visible_at: float) -> None:
        """Put a message on the queue."""
        if self.mode == "contract":
            self.server.messages.append(Message(body, visible_at))
        else:
            self.tables.insert_job(body, visible_at)

    def has_messages(self) -> bool:
        """Whether a message is left."""
        return bool(self.tables.jobs or self.server.messages)

    def cell(self, run_id: str, key: str, name: str) -> bytes | None:
        """A cell as it is stored, whatever keeps it."""
        if self.mode != "contract":
            run = self.tables.runs.get(run_id)
            return None if run is None else run.cells.get(key, {}).get(name)
        text = self.server.keys.get(f"{_CELLS}{run_id}/{key}//{name}")
        return None if text is None else _body(text)

    def records(self, run_id: str) -> dict[str, Record]:
        """All records of a run."""
        if self.mode != "contract":
            cells = self.tables.runs[run_id].cells
            return {
                key: decode_record(named[RECORD], reads=NEWEST)
                for key, named in cells.items()
                if RECORD in named
            }
        prefix, suffix = f"{_CELLS}{run_id}/", f"//{RECORD}"
        return {
            key[len(prefix) : -len(suffix)]: decode_record(_body(text), reads=NEWEST)
            for key, text in self.server.keys.items()
            if key.startswith(prefix) and key.endswith(suffix)
        }

    def runs_left(self) -> list[str]:
        """Runs of which something is there that does not expire by itself."""
        if self.mode != "contract":
            return list(self.tables.runs)
        now, server = self.clock.now(), self.server
        headers = [
            key.removeprefix(_HEADERS)
            for key in server.keys
            if key.startswith(_HEADERS) and server.expiries.get(key, now + 1) > now
        ]
        contexts = [run_id for run_id, items in server.contexts.items() if items]
        return [one for one in dict.fromkeys(headers + contexts) if one != SYSTEM_RUN]

    def woken_early(self, run_id: str) -> list[str]:
        """Sleeps that were recorded before they were over, by the clock of who recorded them."""
        found = []
        for key, record in self.records(run_id).items():
            due = self.cell(run_id, key, DUE)
            if due is not None and record.outcome == "completed" and record.at < float(due):
                found.append(f"{run_id}: {key} ended {float(due) - record.at:g} s early")
        return found


def _body(text: str) -> bytes:
    """A cell of the four methods: marked as plain, or as part of a whole commit."""
    body = text[1:].encode()
    return values.decode(body)["value"].encode() if text[0] == "+" else body
