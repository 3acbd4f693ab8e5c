"""Every error that Flowcraft raises, as one tree.

    FlowcraftError
    ├── BlueprintError              a blueprint that cannot be loaded; lists every problem
    ├── UnknownBlueprintError       no blueprint of that id
    ├── UnknownAdapterError         no adapter of that name; says how to install it
    ├── SettingsError               an option that does not exist or does not fit
    ├── RegistrationError           a node function that cannot be bound
    ├── ExpressionError             a condition or transform that does not parse or evaluate
    ├── ValueNotStorableError       a value that is not strict JSON
    │   └── PayloadTooLargeError    a value beyond the adapter's limit
    ├── RunError
    │   ├── UnknownRunError         no run of that id
    │   ├── RunNotFinishedError     its result was asked for, and it did not end in time
    │   ├── NoOutputError           a node's output was asked for, and it has none
    │   ├── IdempotencyConflictError   same key, other blueprint or payload
    │   └── AmbiguousResumeError    several waits are open, and none was named
    ├── NodeError                   what ends an attempt of a node
    │   ├── NodeTimeoutError        the attempt took longer than its timeout
    │   ├── NonRetryableError       raised by a node that must not be tried again
    │   ├── RetryAfter              raised by a node that names its own delay
    │   ├── InputError              the input does not fit the node's declared type
    │   ├── ImplementationMissingError   no worker had the node's implementation
    │   ├── DeliveryLimitError      every worker that took the node died
    │   ├── NodeProcessError        the process of a node bound to the CPU died
    │   └── ChildRunError           the subflow of the node failed or was cancelled
    ├── RunDeadlineError            the run took longer than its deadline
    ├── BackendError
    │   ├── BackendUnavailableError may or may not have taken effect; try again
    │   ├── NewerFormatError        a job, record or run was written by a newer Flowcraft
    │   └── SchemaVersionError      the store was written by a newer Flowcraft
    └── MalformedMessageError       a queue message that is no job

`retryable` says whether the same call may succeed later without anybody's doing.
An error of a driver is always the `__cause__` of one of these.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import ClassVar


class FlowcraftError(Exception):
    """Base of all errors raised on purpose."""

    retryable: ClassVar[bool] = False


class BlueprintError(FlowcraftError):
    """The blueprint cannot be loaded. `problems` names each fault with its mend."""

    def __init__(self, blueprint_id: str, problems: Sequence[str]) -> None:
        self.blueprint_id = blueprint_id
        self.problems = tuple(problems)
        lines = "".join(f"\n  - {problem}" for problem in self.problems)
        count = len(self.problems)
        super().__init__(
            f"blueprint {blueprint_id!r} has {count} problem{'s' if count != 1 else ''}:{lines}"
        )


class UnknownBlueprintError(FlowcraftError):
    """No blueprint of that id is registered with this application."""


class UnknownAdapterError(FlowcraftError):
    """No adapter of that name is installed."""


class SettingsError(FlowcraftError):
    """An option is unknown or does not fit."""


class RegistrationError(FlowcraftError):
    """A node function cannot be bound, or its key is taken."""


class ExpressionError(FlowcraftError):
    """A condition or transform does not parse, or failed while it was evaluated."""


class ValueNotStorableError(FlowcraftError):
    """A value is not strict JSON; the message names the place inside it."""


class PayloadTooLargeError(ValueNotStorableError):
    """A value is larger than the adapter stores."""


class RunError(FlowcraftError):
    """Base of the errors about one run."""


class UnknownRunError(RunError):
    """No run of that id exists, or it was purged."""


class RunNotFinishedError(RunError):
    """The run had not ended when the wait for its result was over. Ask again, or wait longer."""

    retryable = True


class NoOutputError(RunError):
    """The node has no output: it has not been recorded, or it failed."""


class IdempotencyConflictError(RunError):
    """The idempotency key belongs to a run of another blueprint or payload."""


class AmbiguousResumeError(RunError):
    """Several waits are open; name one of those listed."""


class NodeError(FlowcraftError):
    """Base of what ends one attempt of a node."""


class NodeTimeoutError(NodeError):
    """The attempt took longer than the node's timeout."""

    retryable = True


class NonRetryableError(NodeError):
    """Raise it in a node to fail at once, whatever attempts are left."""


class RetryAfter(NodeError):  # noqa: N818 - an instruction to the engine, named as the field names it
    """Raise it in a node to be tried again after a delay of your own choice.

    It uses up an attempt as any other exception does.
    """

    retryable = True

    def __init__(self, delay: timedelta | float, message: str = "") -> None:
        self.delay_seconds = delay.total_seconds() if isinstance(delay, timedelta) else float(delay)
        super().__init__(message or f"asked to be retried after {self.delay_seconds} s")


class InputError(NodeError):
    """The input does not fit the type that the node declares."""


class ImplementationMissingError(NodeError):
    """No worker had the implementation of the node within the bound."""


class DeliveryLimitError(NodeError):
    """Every worker that took the activation died; it is not given to another one."""


class NodeProcessError(NodeError):
    """The process in which a node bound to the CPU executed died, or could not be started."""

    retryable = True


class ChildRunError(NodeError):
    """The subflow of the node did not complete."""

    retryable = True


class RunDeadlineError(FlowcraftError):
    """The run took longer than its deadline."""


class BackendError(FlowcraftError):
    """Base of the errors of a queue or a store."""


class BackendUnavailableError(BackendError):
    """The call may or may not have taken effect; repeating it is safe."""

    retryable = True


class NewerFormatError(BackendError):
    """A job, record or run was written by a newer Flowcraft; upgrade this process.

    A worker that meets it hands its message back, for one that was upgraded already.
    """


class SchemaVersionError(BackendError):
    """The store was written by a newer Flowcraft; upgrade this process."""


class MalformedMessageError(FlowcraftError):
    """A queue message is no job of ours."""


def text_of(error: BaseException) -> str:
    """What any exception says, as a text that can be stored and sent.

    Node code raises what it likes: a class whose `__str__` raises, a message with half of a
    surrogate pair, as file names have that are no UTF-8.
    """
    try:
        text = str(error)
    except Exception as broken:  # noqa: BLE001 - code of the node as well
        text = f"(its text cannot be had: its __str__ raised {type(broken).__name__})"
    return text.encode(errors="backslashreplace").decode()
