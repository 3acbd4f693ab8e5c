"""A run as its worker holds it, and one activation that is being moved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from flowcraft.blueprint.model import NodeConfig, NodeKind
from flowcraft.engine.activation import RUN, Activation, item_index, outer_scope
from flowcraft.engine.cells import FAILED, PAYLOAD, RECORD
from flowcraft.engine.names import Candidate, input_candidates, output_place
from flowcraft.engine.program import NodeProgram, Program
from flowcraft.format import FORMAT
from flowcraft.ports.contract import JobPayload, Origin
from flowcraft.ports.store import Load, Loaded
from flowcraft.status import RunHeader

_EMPTY_CONFIG = NodeConfig()


@dataclass(frozen=True, slots=True)
class RunView:
    """What stays the same while a worker moves a run."""

    run_id: str
    program: Program
    job: JobPayload
    header: RunHeader

    @classmethod
    def of(cls, header: RunHeader, program: Program, *, writes: int = FORMAT) -> RunView:
        """The view of a run whose header was just read; its jobs are written in that format."""
        job = JobPayload(
            header.run_id, header.blueprint_id, "", blueprint_hash=header.blueprint_hash,
            format=writes,
        )  # fmt: skip
        return cls(header.run_id, program, job, header)


@dataclass(slots=True)
class Move:
    """One activation under way.

    Attributes:
        uses: The implementation; of a batch's item that of its worker.
        kind: What sort of node that makes it.
        is_counted: Whether the delivery may follow the death of a worker.
        origin: Who sent the message.
        loaded: What the store held; empty when its one value came by hand.
        value_in_hand: That value, when nothing was written for it yet.
        member_in_hand: The arrival that would carry it.
        counted: The number under which this delivery was counted, 0 if it was not.
    """

    run: RunView
    activation: Activation
    node: NodeProgram
    uses: str
    kind: str
    params: Mapping[str, Any]
    config: NodeConfig
    loaded: Loaded
    via: str
    token: str
    is_counted: bool
    origin: Origin = "edge"
    value_in_hand: bytes | None = None
    member_in_hand: str = ""
    attempt: int = 1
    input: bytes | None = None
    counted: int = 0
    writes: dict[str, bytes | None] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """Key of the activation."""
        return self.activation.key

    @property
    def is_item(self) -> bool:
        """Whether this is an item of a batch."""
        return self.node.plan.kind == "scatter" and item_index(self.activation.scope) is not None


BUILT_IN_KINDS: dict[str, NodeKind] = {
    "wait": "wait", "webhook": "webhook", "sleep": "sleep", "subflow": "subflow", "join": "join",
}  # fmt: skip


def new_move(
    run: RunView,
    activation: Activation,
    loaded: Loaded,
    *,
    via: str,
    token: str,
    is_counted: bool,
    origin: Origin = "edge",
    value_in_hand: bytes | None = None,
    member_in_hand: str = "",
) -> Move:
    """Look up what the activation is; a batch's item is its worker, with the scatter's limits."""
    node = run.program.nodes[activation.node]
    plan = node.plan
    uses, kind, params, config = node.uses, plan.kind, plan.node.params, plan.node.config
    if kind == "scatter" and item_index(activation.scope) is not None:
        uses = node.worker_uses
        kind = BUILT_IN_KINDS.get(uses, "function")
        params = plan.node.params.get("workerParams") or {}
    move = Move(
        run, activation, node, uses, kind, params, config, loaded, via, token, is_counted,
        origin, value_in_hand, member_in_hand,
    )  # fmt: skip
    while f"{FAILED}{move.attempt}" in loaded.cells:
        move.attempt += 1
    return move


def load_for(program: Program, run_id: str, activation: Activation) -> Load:
    """The one read that moving an activation needs."""
    node = program.nodes[activation.node]
    plan = node.plan
    peeks: list[tuple[str, str]] = []
    context: list[str] = []
    if plan.is_start:
        peeks.append((RUN, PAYLOAD))
    if plan.kind == "gather" and plan.scatter is not None:
        peeks.append((plan.scatter + activation.scope, RECORD))
    kind, params = plan.kind, plan.node.params
    groups: list[tuple[Candidate, ...]]
    if kind == "scatter" and item_index(activation.scope) is not None:
        # An item reads nothing that the scatter reads: that would be the whole list, each time.
        peeks.append((plan.id + outer_scope(activation.scope), RECORD))
        kind = BUILT_IN_KINDS.get(node.worker_uses, "function")
        params = params.get("workerParams") or {}
        groups = []
    else:
        groups = [*(node.inputs or {}).values(), *node.reads.values()]
    if kind == "subflow":
        groups += subflow_inputs(program, params).values()
    for group in groups:
        for candidate in group:
            if candidate.key is not None:
                context.append(candidate.key)
            elif candidate.node is not None:
                place = output_place(program.plan, activation, candidate.node)
                if place is not None and not place.inner:
                    peeks.append((place.node + place.scope, RECORD))
    return Load(run_id, activation.key, tuple(dict.fromkeys(peeks)), tuple(dict.fromkeys(context)))


def subflow_inputs(program: Program, params: Mapping[str, Any]) -> dict[str, tuple[Candidate, ...]]:
    """The meanings of the names in a subflow's `params.inputs`."""
    mapping = params.get("inputs")
    if not isinstance(mapping, Mapping):
        return {}
    return {key: input_candidates(name, program.nodes) for key, name in mapping.items()}
