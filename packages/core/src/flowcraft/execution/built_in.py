"""What the engine's own nodes do alike wherever they run: loops, scatters, gathers, subflows."""

from __future__ import annotations

from typing import Any

from flowcraft import values
from flowcraft.engine.activation import last_segment
from flowcraft.engine.program import DEFAULT_MAX_ITERATIONS
from flowcraft.engine.record import ErrorInfo, GatherReference, encode_reference
from flowcraft.engine.routing import BREAK, CONTINUE
from flowcraft.errors import ChildRunError, InputError, NodeError, ValueNotStorableError
from flowcraft.execution.evaluation import Evaluator, FatalError, error_info
from flowcraft.execution.limits import check_key
from flowcraft.execution.move import Move
from flowcraft.execution.performing import AttemptError, Performed
from flowcraft.expressions import truthy
from flowcraft.status import Status


def looped(move: Move, input_: bytes, evaluator: Evaluator) -> Performed:
    """Decide whether another iteration begins.

    Raises:
        FatalError: The condition cannot be evaluated, or there were as many as there may be.
    """
    controller = move.node.controller
    assert controller is not None
    if not truthy(evaluator(controller, None)):
        return Performed(input_, BREAK)
    evaluation = int(last_segment(move.activation.scope))
    limit = int(move.params.get("maxIterations") or DEFAULT_MAX_ITERATIONS)
    if evaluation >= limit:
        error = NodeError(
            f"loop {move.activation.node!r} would begin iteration {evaluation + 1} of at most "
            f"{limit}. Raise params.maxIterations, or mend its condition"
        )
        raise FatalError(error_info(move, error))
    return Performed(input_, CONTINUE)


def items_in(move: Move, input_: bytes) -> list[Any]:
    """The items of a batch.

    Raises:
        AttemptError: Its input is no list.
    """
    items = values.decode(input_)
    if isinstance(items, list):
        return items
    error = InputError(f"batch {move.activation.node!r} needs a list, got {type(items).__name__}")
    raise AttemptError(error, is_retryable=False)


def gathered(move: Move, items: int) -> Performed:
    """A gather's output: a reference to the items, never the list itself.

    Raises:
        AttemptError: Its `outputKey` is no key of a context.
    """
    scatter = f"{move.node.plan.scatter}{move.activation.scope}"
    reference = encode_reference(GatherReference(scatter, items))
    key = move.params.get("outputKey")
    if key:
        write_output(move, str(key), reference)
    return Performed(reference, items=items, gathered=scatter)


def check_child(
    move: Move, *, blueprint_id: str, run_id: str, status: Status, error: ErrorInfo | None
) -> None:
    """Look at how the child run of a subflow ended.

    Raises:
        AttemptError: It failed or was cancelled.
    """
    if status == "completed":
        return
    text = f"subflow {blueprint_id!r} of node {move.activation.node!r} "
    if status == "cancelled" or error is None:
        text += f"was {status} (run {run_id})"
    else:
        text += f"failed at node {error.node!r}: {error.message} (run {run_id})"
    raise AttemptError(ChildRunError(text), is_retryable=True)


def write_output(move: Move, key: str, value: bytes) -> None:
    """Set a context key that the node's params name.

    Raises:
        AttemptError: No context has such a key.
    """
    try:
        check_key(key)
    except ValueNotStorableError as error:
        raise AttemptError(error, is_retryable=False) from error
    move.writes[key] = value
