"""One attempt of a `BaseNode` class: its phases in order, and what follows when one fails."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from flowcraft.errors import BackendError, NonRetryableError, RetryAfter, text_of
from flowcraft.nodes.base_node import BaseNode, ClassBinding
from flowcraft.nodes.binding import NodeCall
from flowcraft.nodes.failures import failure_of

logger = logging.getLogger(__name__)


class Lifecycle:
    """Runs instances of one node class."""

    __slots__ = ("_binding", "_create", "_node_class", "_should_retry")

    def __init__(
        self,
        node_class: type[BaseNode[Any, Any]],
        binding: ClassBinding,
        *,
        should_retry: Callable[[BaseException], bool],
    ) -> None:
        self._node_class = node_class
        self._binding = binding
        self._create = binding.init.caller(node_class)
        self._should_retry = should_retry

    async def attempt(self, call: NodeCall) -> Any:
        """Go through `prep`, `exec` and `post`; take `fallback` when `exec` failed for good."""
        instance = self._instance(call)
        value = self._binding.input(call)
        try:
            prepared = await self._once("prep", instance.prep(call.ctx, value), call)
            result = await self._exec(instance, prepared, call)
            return await self._once("post", instance.post(result, call.ctx), call)
        except BaseException as error:
            await self._recover(instance, error, call)
            raise

    async def fall_back(self, call: NodeCall, error: Exception) -> Any:
        """Take `fallback` and `post` after an attempt that ended from outside, by its timeout."""
        instance = self._instance(call)
        try:
            result = await self._once("fallback", instance.fallback(error, call.ctx), call)
            return await self._once("post", instance.post(result, call.ctx), call)
        except BaseException as raised:
            await self._recover(instance, raised, call)
            raise

    def _instance(self, call: NodeCall) -> BaseNode[Any, Any]:
        instance: BaseNode[Any, Any] = self._create(call)
        instance.params = self._binding.params(call)
        instance.run = call.run
        return instance

    async def _exec(self, instance: BaseNode[Any, Any], prepared: Any, call: NodeCall) -> Any:
        try:
            return await instance.exec(prepared, call.ctx)
        except BaseException as error:
            failure = failure_of(error, node_id=call.run.node_id)
            is_final = call.last_attempt or (
                failure is not None and not self._should_retry(failure)
            )
            if failure is None or isinstance(failure, BackendError):
                raise
            if not is_final or not self._binding.has_own_fallback:
                raise
        return await self._once("fallback", instance.fallback(failure, call.ctx), call)

    async def _once(self, phase: str, running: Awaitable[Any], call: NodeCall) -> Any:
        """Await a phase whose failure is not worth another attempt."""
        try:
            return await running
        except Exception as error:
            # A store that is down, met through the context, is no failure of the node: the
            # driver must see it as what it is.
            if isinstance(error, (RetryAfter, BackendError)) or not self._should_retry(error):
                raise
            raise NonRetryableError(
                f"{phase} of node {call.run.node_id!r} failed: {type(error).__name__}: "
                f"{text_of(error)}. Only exec is tried again; move there what may fail for a while."
            ) from error

    async def _recover(
        self, instance: BaseNode[Any, Any], error: BaseException, call: NodeCall
    ) -> None:
        try:
            await instance.recover(error, call.ctx)
        except BaseException as raised:
            failure = failure_of(raised, node_id=call.run.node_id)
            if failure is None:
                raise
            logger.warning(
                "recover failed",
                exc_info=failure,
                extra={
                    "run_id": call.run.run_id,
                    "node_id": call.run.node_id,
                    "scope": call.run.scope,
                    "attempt": call.run.attempt,
                },
            )
