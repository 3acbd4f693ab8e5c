"""One run, as a step sees it: everything of it lies below one folder.

runs/RUN/header                what it says of itself
runs/RUN/cells/ACTIVATION      the cells of an activation, and which members arrived at it
runs/RUN/values/.../MEMBER     what a member carries
runs/RUN/context/KEY           a key of its context
runs/RUN/leases/ACTIVATION     who is at an activation
runs/RUN/sweep                 its place in the index of the sweeper
"""

from __future__ import annotations

import msgspec

from flowcraft.engine.cells import WINNER
from flowcraft.engine.consequences import Arrival, Cell
from flowcraft.ports.store import Arrived, Lease
from flowcraft.status import RunHeader, decode_header, encode_header
from flowcraft_files.folder import Files


class Activation(msgspec.Struct):
    """What is noted of an activation: its cells, and whether its members were taken."""

    key: str
    cells: dict[str, bytes] = {}
    members: dict[str, bool] = {}


class Sweep(msgspec.Struct):
    """When the sweeper looks at a run, how often it did in a row, and when it last did."""

    after: float
    sweeps: int
    swept_at: float


class Partition:
    """A run and everything of it."""

    def __init__(self, files: Files, run_id: str) -> None:
        self._files = files
        self._place = ("runs", run_id)

    @property
    def header(self) -> RunHeader | None:
        """What the run says of itself; None if there is no such run."""
        data = self._files.get((*self._place, "header"), bytes)
        return None if data is None else decode_header(data)

    @header.setter
    def header(self, header: RunHeader) -> None:
        self._files.put((*self._place, "header"), encode_header(header))

    def activation(self, key: str) -> Activation:
        """What is noted of an activation."""
        return self._files.get((*self._place, "cells", key), Activation) or Activation(key)

    def put_cell(self, cell: Cell) -> bytes | None:
        """Write a cell if it is absent; what it holds if it is not."""
        found = self.activation(cell.key)
        if cell.name in found.cells:
            return found.cells[cell.name]
        found.cells[cell.name] = cell.value
        self._files.put((*self._place, "cells", cell.key), found)
        return None

    def value(self, key: str, member: str) -> bytes | None:
        """What a member of an activation carries."""
        return self._files.get((*self._place, "values", key, member), bytes)

    def arrive(self, arrival: Arrival) -> Arrived:
        """Add a member if it is absent; the set as it then stands."""
        found = self.activation(arrival.target)
        if arrival.member not in found.members:
            found.members[arrival.member] = arrival.taken
            if arrival.any and arrival.taken:
                found.cells.setdefault(WINNER, arrival.member.encode())
            if arrival.value is not None:
                place = (*self._place, "values", arrival.target, arrival.member)
                self._files.put(place, arrival.value)
            self._files.put((*self._place, "cells", arrival.target), found)
        winner = found.cells.get(WINNER) if arrival.any else None
        return Arrived(
            len(found.members), sum(found.members.values()), winner.decode() if winner else None
        )

    @property
    def sweep(self) -> Sweep | None:
        """Its place in the index of the sweeper; None once its end was announced."""
        return self._files.get((*self._place, "sweep"), Sweep)

    @sweep.setter
    def sweep(self, sweep: Sweep | None) -> None:
        place = (*self._place, "sweep")
        if sweep is None:
            self._files.delete(place)
        else:
            self._files.put(place, sweep)

    def lease(self, key: str) -> Lease | None:
        """The last lease of an activation, over or not."""
        return self._files.get((*self._place, "leases", key), Lease)

    def put_lease(self, lease: Lease) -> None:
        """Keep a lease instead of the one before."""
        self._files.put((*self._place, "leases", lease.key), lease)

    def delete(self) -> None:
        """Leave nothing of the run."""
        self._files.delete_all(self._place)
