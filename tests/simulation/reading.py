"""Which value a name has for a reader: context keys, and outputs of nodes in loops and outside.

A reader sees what was certainly recorded before it. Where another order of the same run could
show it something else, the read is kept as a race; generated graphs must have none.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.simulation.expression import MISSING, member

if TYPE_CHECKING:
    from tests.simulation.interpreter import Walk
    from tests.simulation.records import Record

_EVERYTHING = -1  # a set of bits that holds each one


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Who reads: from which place, after which records, with which writes of its own.

    Args:
        key: The activation that reads.
        node: Its node, or the one that it stands in for.
        place: The scope of that node, without the number of a controller's evaluation.
        iteration: The number of a controller's evaluation, else None.
        before: The records certainly made before it, as a set of bits.
        writes: Its own writes.
    """

    key: str
    node: str
    place: str
    iteration: int | None
    before: int
    writes: Mapping[str, Any] = field(default_factory=dict)


class Readings:
    """The names of one run, and who read which of them."""

    def __init__(self, walk: Walk) -> None:
        self._walk = walk
        self._writers: dict[str, list[Record]] = {}
        self._key_reads: list[tuple[Reader, str]] = []
        self._node_reads: list[tuple[Reader, str]] = []
        self._unordered: list[str] = []
        payload = walk.payload
        self.initial: dict[str, Any] = dict(payload) if isinstance(payload, dict) else {}

    def wrote(self, record: Record) -> None:
        """Note the keys that a record writes."""
        for key in record.writes:
            self._writers.setdefault(key, []).append(record)

    def resolve(self, mapping: str | Mapping[str, str], reader: Reader) -> Any:
        """Give what an `inputs` mapping, or its bare text, stands for."""
        if isinstance(mapping, str):
            return self._source(mapping, reader)
        return {name: self._source(source, reader) for name, source in mapping.items()}

    def at_the_end(self, source: str) -> Any:
        """Give what a subflow's `outputs` takes from its ended child."""
        return self._source(
            source, Reader(key="", node="", place="", iteration=None, before=_EVERYTHING)
        )

    def named(self, name: str, reader: Reader, *, keyed: bool) -> Any:
        """Give what a name of an expression stands for, or `MISSING`."""
        found = self._key(name, reader)
        if found is MISSING and name in self._walk.facts.nodes:
            found = self._node(name, reader)
        if found is MISSING and keyed and name.startswith("_outputs."):
            found = self._node(name.removeprefix("_outputs."), reader)
        return found

    def allowed_context(self) -> dict[str, list[Any]]:
        """Give each key of the final context with the values that some order of commits leaves."""
        allowed = {key: [value] for key, value in self.initial.items()}
        for key, writers in self._writers.items():
            allowed[key] = [w.writes[key] for w in _latest(writers)]
        return allowed

    def races(self) -> list[str]:
        """Name the reads whose value another order of the same run could have changed."""
        found = list(self._unordered)
        for reader, key in self._key_reads:
            writers = [w for w in self._writers.get(key, []) if w.ready.key != reader.key]
            if not all(self._ordered(reader, w) for w in writers):
                found.append(f"{reader.key} reads key {key}")
            if len(_latest([w for w in writers if w.bit & reader.before])) > 1:
                found.append(f"{reader.key} reads key {key} of two writers")
        for reader, key in self._node_reads:
            record = self._walk.results.get(key) or self._walk.records.get(key)
            if record is not None and not self._ordered(reader, record):
                found.append(f"{reader.key} reads node {key}")
        return found

    def _ordered(self, reader: Reader, record: Record) -> bool:
        own = self._walk.records.get(reader.key)
        return bool(record.bit & reader.before) or bool(own and own.bit & record.ready.before)

    def _source(self, source: str, reader: Reader) -> Any:
        found = self._exact(source, reader)
        steps: list[str | int] = []
        head = source
        while found is MISSING and (cut := max(head.rfind("."), head.rfind("["))) > 0:
            step = re.sub(r'[\[\]".]', "", head[cut:])
            steps.insert(0, int(step) if step.isdigit() else step)
            head = head[:cut]
            found = self._exact(head, reader)
        for name in steps:
            found = member(found, name)
        return None if found is MISSING else found

    def _exact(self, name: str, reader: Reader) -> Any:
        nodes = self._walk.facts.nodes
        if name in nodes:
            return self._node(name, reader)
        if name.startswith("_outputs.") and name.removeprefix("_outputs.") in nodes:
            return self._node(name.removeprefix("_outputs."), reader)
        return self._key(name, reader)

    def _key(self, key: str, reader: Reader) -> Any:
        if key in reader.writes:
            return reader.writes[key]
        self._key_reads.append((reader, key))
        seen = [w for w in self._writers.get(key, []) if w.bit & reader.before]
        if seen:
            return _latest(seen)[-1].writes[key]
        return self.initial.get(key, MISSING)

    def _node(self, name: str, reader: Reader) -> Any:
        facts, walk = self._walk.facts, self._walk
        if name not in facts.nodes:
            return MISSING
        around = facts.chain.get(reader.node, ())
        parts = reader.place.split("/")[1:]
        if name in around:
            # Inside its own body a controller means the evaluation that began the iteration.
            key = name + _scope(parts[: around.index(name) + 1])
        else:
            scope = self._scope_seen(name, reader, around, parts)
            if scope is None:
                return None
            key = name + scope
        self._node_reads.append((reader, key))
        record = walk.records.get(key) if name in around else walk.results.get(key)
        if record is None or record.outcome != "completed" or not record.bit & reader.before:
            return None
        return record.output

    def _scope_seen(
        self, name: str, reader: Reader, around: tuple[str, ...], parts: list[str]
    ) -> str | None:
        chain = self._walk.facts.chain[name]
        shared = 0
        while shared < min(len(chain), len(around)) and chain[shared] == around[shared]:
            shared += 1
        scope = _scope(parts[:shared])
        for loop in chain[shared:]:
            if loop == reader.node and reader.iteration is not None:
                last = reader.iteration - 1
            else:
                end = self._walk.results.get(loop + scope)
                if end is None or not end.bit & reader.before:
                    self._unordered.append(f"{reader.key} reads {name} of unended loop {loop}")
                    return None
                last = int(end.ready.scope.rpartition("/")[2]) - 1
            if last < 0:
                return None
            scope += f"/{last}"
        return scope


def _scope(parts: list[str]) -> str:
    return "".join(f"/{part}" for part in parts)


def _latest(records: list[Record]) -> list[Record]:
    """Give the records that no other one of them came certainly after."""
    return [
        record
        for record in records
        if not any(record.bit & other.ready.before for other in records)
    ]
