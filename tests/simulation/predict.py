"""What a record must say, given the records before it: the meaning of each kind of node."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from tests.simulation.behaviour import decide
from tests.simulation.expression import EvaluationError, evaluate, truthy
from tests.simulation.facts import kind_of
from tests.simulation.reading import Reader
from tests.simulation.records import Choices, Ready, Record

if TYPE_CHECKING:
    from tests.simulation.interpreter import Walk


class Prediction:
    """The records that follow in one walk under these choices."""

    def __init__(self, walk: Walk, choices: Choices) -> None:
        self._walk = walk
        self._facts = walk.facts
        self._readings = walk.readings
        self._choices = choices

    def record(self, ready: Ready) -> Record | None:
        """Say what record this activation gets; None if what decides it has not happened."""
        if ready.skipped:
            edges = {e for name in ready.names for e in self._facts.leaving(name)}
            return Record(ready=ready, outcome="skipped", skipped=edges)
        value = ready.given[0] if ready.given else self._input(ready)
        params = self._facts.params(ready.node)
        kind = self._facts.kinds[ready.node]
        if ready.item is not None:
            kind = kind_of(params["workerUsesKey"])
            params = params.get("workerParams") or {}
        match kind:
            case "loop":
                return self._evaluate(ready, value)
            case "scatter":
                if not isinstance(value, list):
                    return self._failed(ready, value, 1, None, catchable=False)
                return Record(ready=ready, outcome="completed", input=value, output=value)
            case "gather":
                return self._finished(ready, value, self._gathered(ready))
            case "join" | "sleep":
                return self._finished(ready, value, value)
            case "wait" | "webhook":
                path = self._walk.path + ready.node
                fits = [
                    s
                    for s in self._walk.signals
                    if s.node == path and s.scope in (None, ready.scope)
                ]
                signal = self._choices.signal(ready.key, path, ready.scope, fits)
                if signal is None:
                    return None
                return self._finished(ready, value, signal.output, action=signal.action)
            case "subflow":
                return self._subflow(ready, value, params)
            case _:
                return self._function(ready, value, params)

    def _function(self, ready: Ready, value: Any, params: Mapping[str, Any]) -> Record:
        attempts = self._facts.config(ready.node).get("maxRetries", 1)
        error = None
        for attempt in range(1, attempts + 1):
            did = decide(
                params, node_id=ready.node, scope=ready.scope, attempt=attempt, input=value
            )
            if did.kind == "return":
                return self._finished(
                    ready, value, did.output, action=did.action, attempt=attempt, writes=did.writes
                )
            error = "NodeTimeoutError" if did.kind == "hang" else "SimulatedError"
            if did.kind == "raise" and not did.retryable:
                return self._failed(ready, value, attempt, "NonRetryableError")
        return self._failed(ready, value, attempts, error)

    def _subflow(self, ready: Ready, value: Any, params: Mapping[str, Any]) -> Record | None:
        payload = value
        if params.get("inputs") is not None:
            payload = self._readings.resolve(params["inputs"], self._reader(ready))
        attempts = self._facts.config(ready.node).get("maxRetries", 1)
        for attempt in range(1, attempts + 1):
            walk = self._walk.child(params["blueprintId"], payload=payload, node=ready.node)
            end = self._choices.child(ready.key, attempt, walk)
            if end is None:
                return None
            if end.completed:
                writes = {
                    key: end.walk.readings.at_the_end(source)
                    for key, source in (params.get("outputs") or {}).items()
                }
                return self._finished(
                    ready, value, end.walk.output(), attempt=attempt, writes=writes
                )
        return self._failed(ready, value, attempts, "ChildRunError")

    def _evaluate(self, ready: Ready, value: Any) -> Record:
        params = self._facts.params(ready.node)
        again = False
        try:
            again = truthy(
                self._expression(ready, params["condition"], output=value, action=None, writes={})
            )
        except EvaluationError:
            return self._failed(ready, value, 1, "ExpressionError", catchable=False)
        if again and ready.iteration >= params.get("maxIterations", 10_000):
            return self._failed(ready, value, 1, None, catchable=False)
        return self._finished(ready, value, value, action="continue" if again else "break")

    def _finished(
        self,
        ready: Ready,
        value: Any,
        output: Any,
        *,
        action: str | None = None,
        attempt: int = 1,
        writes: Mapping[str, Any] | None = None,
    ) -> Record:
        record = Record(
            ready=ready,
            outcome="completed",
            input=value,
            output=output,
            action=action,
            attempt=attempt,
            writes=writes or {},
        )
        try:
            for name in ready.names:
                self._choose_edges(record, name)
        except EvaluationError:
            return self._failed(ready, value, attempt, "ExpressionError", catchable=False)
        return record

    def _choose_edges(self, record: Record, name: str) -> None:
        edges = self._facts.edges
        outs = self._facts.outs[name]
        named = [e for e in outs if record.action and edges[e].get("action") == record.action]
        candidates = named or [e for e in outs if not edges[e].get("action")]
        for index in self._facts.leaving(
            name, continuing=self._facts.begins(record.ready.node, record.action)
        ):
            edge = edges[index]
            if index in candidates and self._satisfied(record, edge.get("condition")):
                value = record.output
                if edge.get("transform") is not None:
                    value = self._of_edge(record, edge["transform"])
                record.taken[index] = value
            else:
                record.skipped.add(index)

    def _satisfied(self, record: Record, condition: str | None) -> bool:
        return condition is None or truthy(self._of_edge(record, condition))

    def _of_edge(self, record: Record, source: str) -> Any:
        return self._expression(
            record.ready, source, output=record.output, action=record.action, writes=record.writes
        )

    def _expression(
        self,
        ready: Ready,
        source: str,
        *,
        output: Any,
        action: str | None,
        writes: Mapping[str, Any],
    ) -> Any:
        reader = self._reader(ready, writes=writes)
        return evaluate(
            source,
            result={"output": output, "action": action},
            input=output,
            lookup=lambda name, keyed: self._readings.named(name, reader, keyed=keyed),
        )

    def _failed(
        self, ready: Ready, value: Any, attempt: int, error: str | None, *, catchable: bool = True
    ) -> Record:
        caught = catchable and ready.item is None and ready.node in self._facts.fallback
        goes_on = (
            ready.item is not None
            and self._facts.params(ready.node).get("onItemError") == "continue"
        )
        return Record(
            ready=ready,
            outcome="caught" if caught else "failed",
            input=value,
            attempt=attempt,
            error=error,
            fatal=not caught and not goes_on,
        )

    def _input(self, ready: Ready) -> Any:
        mapping = self._facts.nodes[ready.node].get("inputs")
        if mapping is not None:
            return self._readings.resolve(mapping, self._reader(ready))
        shape = self._facts.entering(ready.node, again=ready.iteration > 0)
        if not shape:
            return self._walk.payload
        if len(shape) == 1:
            return ready.values[shape[0]]
        # In the blueprint's order, so the later of two edges from one source gives the value.
        return {self._facts.edges[e]["source"]: ready.values[e] for e in shape if e in ready.values}

    def _gathered(self, ready: Ready) -> list[Any]:
        scatter = self._scatter_of(ready.node)
        items = self._walk.records[scatter + ready.place].output
        found = (
            self._walk.records[f"{scatter}{ready.place}/#{index}"] for index in range(len(items))
        )
        return [record.output if record.outcome == "completed" else None for record in found]

    def _scatter_of(self, gather: str) -> str:
        sources: Iterator[str] = (self._facts.edges[e]["source"] for e in self._facts.ins[gather])
        return next(name for name in sources if self._facts.kinds[name] == "scatter")

    def _reader(self, ready: Ready, *, writes: Mapping[str, Any] | None = None) -> Reader:
        # A stand-in reads from where the node it stands for is.
        node = ready.names[0] if ready.names else ready.node
        return Reader(
            key=ready.key,
            node=node,
            place=ready.place,
            iteration=ready.iteration if self._facts.kinds[node] == "loop" else None,
            before=ready.before,
            writes=writes or {},
        )
