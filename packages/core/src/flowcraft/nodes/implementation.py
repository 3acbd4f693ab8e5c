"""`NodeImplementation`: a node function or class, ready to be called by a driver."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Executor
from typing import Any, Literal

import msgspec

from flowcraft import values
from flowcraft.errors import NodeError, RegistrationError
from flowcraft.nodes.base_node import BaseNode, class_binding
from flowcraft.nodes.binding import Binding, NodeCall, RunInThread, bind, describe
from flowcraft.nodes.dependencies import Dependency
from flowcraft.nodes.failures import failure_of, is_worth_a_retry
from flowcraft.nodes.lifecycle import Lifecycle
from flowcraft.nodes.messages import Answer, Request
from flowcraft.nodes.options import NodeOptions
from flowcraft.nodes.processes import RunInProcess
from flowcraft.nodes.reference import is_where_it_says, reference_to
from flowcraft.nodes.result import Context, NodeResult, RunInfo
from flowcraft.nodes.variables import with_own_variables

Mode = Literal["async", "thread", "inline", "process"]


class NodeImplementation:
    """One node function or class under its key.

    Attributes:
        uses: Key under which blueprints name it.
        source: The function or class itself.
        mode: `async` is awaited, `thread` runs in a thread, `inline` on the event loop;
            `process` in a process of its own.
        options: What its author says about running it.
        takes_context: Whether it can read and write the run's keys.
        has_own_fallback: Whether it is a class with a `fallback` of its own.
        dependencies: What it takes from the application.
    """

    __slots__ = (
        "_attempt",
        "_lifecycle",
        "dependencies",
        "has_own_fallback",
        "mode",
        "options",
        "source",
        "takes_context",
        "uses",
    )

    uses: str
    source: Callable[..., Any]
    mode: Mode
    options: NodeOptions
    takes_context: bool
    has_own_fallback: bool
    dependencies: tuple[Dependency, ...]

    def __init__(self, source: Callable[..., Any], *, uses: str, options: NodeOptions) -> None:
        """Bind the parameters of a function or class.

        Args:
            source: A function, async or not, or a `BaseNode` class.
            uses: Key under which blueprints name it.
            options: What its author says about running it.

        Raises:
            RegistrationError: A parameter gets nothing, or an option does not fit.
        """
        self.uses = uses
        self.source = source
        self.options = options
        self._lifecycle: Lifecycle | None = None
        self.has_own_fallback = False
        self._attempt: Callable[[NodeCall], Awaitable[Any]]
        if isinstance(source, type):
            self._use_class(source)
        else:
            self._use_function(source)

    async def call(
        self,
        *,
        input: Any,
        ctx: Context,
        run: RunInfo,
        params: Mapping[str, Any],
        dependencies: object = None,
        last_attempt: bool = True,
        run_in_thread: RunInThread | None = None,
        run_in_process: RunInProcess | None = None,
    ) -> NodeResult[Any]:
        """Make one attempt.

        The caller enforces the timeout, by cancelling, and decides about another attempt
        with `should_retry`.

        Args:
            input: A JSON value that is this attempt's own; the node may change it.
            ctx: The context as this attempt sees it.
            run: Which attempt of what this is.
            params: The node's params; the node gets a copy.
            dependencies: What the application's lifespan yielded.
            last_attempt: Whether no further attempt follows, so that a class takes its own
                `fallback`. It is taken as well for an error that is not worth a retry.
            run_in_thread: Runs functions that are not async; the event loop's own threads
                where it is not given.
            run_in_process: Runs functions bound to the CPU; where it is not given they run as
                other functions that are not async.

        Returns:
            The action, and the output as the node gave it: `values.encode_declared` writes it.

        Raises:
            InputError: The input or the params do not fit their declared types.
            NodeError: The node raised what is no Exception, such as SystemExit.
            Exception: Whatever else the node raised, as it is.
        """
        call = NodeCall(
            input=input,
            ctx=ctx,
            run=run,
            params=params,
            dependencies=dependencies,
            last_attempt=last_attempt,
            run_in_thread=run_in_thread,
            run_in_process=run_in_process,
        )
        try:
            value = await with_own_variables(self._attempt, call)
        except BaseException as error:
            failure = failure_of(error, node_id=run.node_id)
            if failure is None or failure is error:
                raise
            raise failure from error
        return value if isinstance(value, NodeResult) else NodeResult(value)

    async def fall_back(
        self,
        error: Exception,
        *,
        ctx: Context,
        run: RunInfo,
        params: Mapping[str, Any],
        dependencies: object = None,
    ) -> NodeResult[Any]:
        """Take the class's own `fallback` after the last attempt was cut off by its timeout.

        Only where `has_own_fallback` says so. An attempt that raises takes the fallback by
        itself, in `call`.

        Raises:
            Exception: As `call` does.
        """
        if self._lifecycle is None:
            raise error
        call = NodeCall(
            input=None,
            ctx=ctx,
            run=run,
            params=params,
            dependencies=dependencies,
            last_attempt=True,
            run_in_thread=None,
            run_in_process=None,
        )
        try:
            value = await with_own_variables(self._lifecycle.fall_back, call, error)
        except BaseException as raised:
            failure = failure_of(raised, node_id=run.node_id)
            if failure is None or failure is raised:
                raise
            raise failure from raised
        return value if isinstance(value, NodeResult) else NodeResult(value)

    def should_retry(self, error: BaseException) -> bool:
        """Tell whether another attempt may end better; how many are left is not asked."""
        return is_worth_a_retry(error, self.options.retry_on)

    def check_dependencies(self, provided: object) -> None:
        """Look up every dependency once, so that a worker finds at its start what is missing.

        Raises:
            RegistrationError: The lifespan does not yield one of them.
        """
        for dependency in self.dependencies:
            try:
                dependency.find(provided)
            except NodeError as error:
                raise RegistrationError(str(error)) from error

    def __repr__(self) -> str:
        return f"NodeImplementation(uses={self.uses!r}, mode={self.mode!r})"

    def _use_class(self, source: type) -> None:
        name = describe(source)
        if not issubclass(source, BaseNode):
            raise RegistrationError(
                f"{name}: a class that is a node derives from BaseNode. "
                "Derive it, or register a function."
            )
        if self.options.quick or self.options.cpu:
            raise RegistrationError(f"{name}: quick and cpu are for functions that are not async.")
        binding = class_binding(source)
        lifecycle = Lifecycle(source, binding, should_retry=self.should_retry)
        self.mode = "async"
        self.takes_context = True
        self.has_own_fallback = binding.has_own_fallback
        self.dependencies = binding.init.dependencies
        self._lifecycle = lifecycle
        self._attempt = lifecycle.attempt

    def _use_function(self, source: Callable[..., Any]) -> None:
        name = describe(source)
        kind = source if inspect.isroutine(source) else getattr(source, "__call__", source)  # noqa: B004
        forms = (source, kind)
        if any(inspect.isgeneratorfunction(f) or inspect.isasyncgenfunction(f) for f in forms):
            raise RegistrationError(f"{name}: it yields. A node returns one value; return a list.")
        is_async = any(inspect.iscoroutinefunction(form) for form in forms)
        binding = bind(source)
        self.takes_context = binding.takes_context
        self.dependencies = binding.dependencies
        if is_async:
            if self.options.quick or self.options.cpu:
                raise RegistrationError(
                    f"{name}: quick and cpu are for functions that are not async."
                )
            self.mode = "async"
            self._attempt = binding.caller(source)
            return
        # A wrapper around an async function gives a coroutine, which call awaits.
        if binding.takes_context and not inspect.iscoroutinefunction(inspect.unwrap(source)):
            raise RegistrationError(
                f"{name}: it takes the context, whose methods are awaited, and is not async. "
                "Write `async def`, or take what it needs as input."
            )
        if self.options.cpu and (binding.dependencies or binding.takes_context):
            raise RegistrationError(
                f"{name}: with cpu=True it runs in a process of its own, which neither the "
                "context nor dependencies reach. Take what it needs as input."
            )
        if self.options.quick:
            self.mode = "inline"
            self._attempt = _inline(binding, source)
        elif self.options.cpu:
            self.mode = "process"
            self._attempt = _in_process(binding, source, self.uses, self.options)
        else:
            self.mode = "thread"
            self._attempt = _in_thread(binding, source)


def thread_runner(executor: Executor | None) -> RunInThread:
    """Give a `run_in_thread` over an executor, whose owner bounds and closes it.

    Context variables, such as those of tracing, are visible in the thread.
    """

    def run_in_thread(function: Callable[[], Any]) -> Awaitable[Any]:
        variables = contextvars.copy_context()
        return asyncio.get_running_loop().run_in_executor(executor, variables.run, function)

    return run_in_thread


def _inline(binding: Binding, function: Callable[..., Any]) -> Callable[[NodeCall], Awaitable[Any]]:
    invoke = binding.caller(function)

    async def attempt(call: NodeCall) -> Any:
        value = invoke(call)
        return await value if inspect.isawaitable(value) else value

    return attempt


def _in_thread(
    binding: Binding, function: Callable[..., Any]
) -> Callable[[NodeCall], Awaitable[Any]]:
    own_threads = thread_runner(None)

    async def attempt(call: NodeCall) -> Any:
        prepared = binding.prepare(function, call)

        def run() -> tuple[Any, BaseException | None]:
            # A future cannot carry StopIteration, and one that carries SystemExit would end
            # the thread's owner; so what was raised comes back as a value.
            try:
                return prepared(), None
            except BaseException as error:  # noqa: BLE001 - it is raised again below
                return None, error

        value, error = await (call.run_in_thread or own_threads)(run)
        if error is not None:
            raise error
        return await value if inspect.isawaitable(value) else value

    return attempt


def _in_process(
    binding: Binding, function: Callable[..., Any], uses: str, options: NodeOptions
) -> Callable[[NodeCall], Awaitable[Any]]:
    what = describe(function)
    in_thread = _in_thread(binding, function)
    reference = reference_to(function, what=what)
    retry_on = options.retry_on
    worth = None if retry_on is None else tuple(reference_to(it, what=what) for it in retry_on)

    async def attempt(call: NodeCall) -> Any:
        if call.run_in_process is None:
            return await in_thread(call)
        # Only now: a function is decorated before its module has it.
        if not is_where_it_says(function):
            raise RegistrationError(
                f"{what}: with cpu=True, another process looks for {function.__module__}."
                f"{function.__qualname__}, and something else is there. Make @node(cpu=True) the "
                "outermost decorator, and let the name be"
            )
        request = Request(
            uses=uses,
            function=reference,
            retry_on=worth,
            input=msgspec.Raw(values.encode(call.input, what="input")),
            params=msgspec.Raw(values.encode(call.params, what="params")),
            run=call.run,
        )
        data = await call.run_in_process(msgspec.json.encode(request))
        answer = msgspec.json.decode(data, type=Answer)
        if answer.failure is not None:
            raise answer.failure.as_error()
        return NodeResult(values.decode(bytes(answer.output)), answer.action)

    return attempt
