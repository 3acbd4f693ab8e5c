"""Nodes bound to the CPU, in a module of their own, since another process has to import it."""

from __future__ import annotations

import functools
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flowcraft import NodeResult, RetryAfter, RunInfo, node


@node(cpu=True)
def whereabouts(value: Any) -> dict[str, int]:
    return {"process": os.getpid(), "parent": os.getppid()}


@dataclass
class Order:
    id: int
    tags: list[str]


@node(cpu=True)
def describe(order: Order, run: RunInfo, params: dict[str, Any]) -> NodeResult[Any]:
    order.tags.append("changed")
    said = {"id": order.id * 10**30, "run": run.run_id, "node": run.node_id, **params}
    return NodeResult(said, action="big")


@node(cpu=True)
def change(value: Any, params: dict[str, Any]) -> Any:
    value["changed"] = params["changed"] = True
    return value


class OwnError(Exception):
    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"{one} and {two}")


@node(cpu=True, retry_on=OwnError)
def fail(value: str) -> None:
    if value == "own":
        raise OwnError(1, 2) from KeyError("why")
    if value == "other":
        raise ValueError("not worth it")
    if value == "later":
        raise RetryAfter(0.0, "in a moment")
    if value == "exit":
        sys.exit(3)
    if value == "half":
        raise ValueError("caf\udce9")
    if value == "deep":
        fail(value)
    raise AssertionError(value)


@node(cpu=True)
def no_json(value: str) -> Any:
    async def nothing() -> None: ...

    return {"coroutine": nothing, "set": set}[value]()


@node(cpu=True)
def die(how: str) -> None:
    if how == "exit":
        os._exit(7)
    if how == "nameless":
        os.kill(os.getpid(), signal.SIGRTMIN + 3)
    os.kill(os.getpid(), signal.SIGKILL)


@node(cpu=True)
def close_stdout(value: Any) -> Any:
    sys.stdout.close()
    return value


@node(cpu=True)
def die_once(marker: str) -> str:
    if Path(marker).exists():
        return "lived"
    Path(marker).touch()
    os._exit(7)


@node(cpu=True)
def compute_for_ever(marker: str) -> None:
    tell(marker)
    while True:
        pass


@node(cpu=True)
def survive_a_signal(value: Any) -> str:
    os.kill(os.getpid(), signal.SIGTERM)
    os.kill(os.getpid(), signal.SIGINT)
    return "lived"


def same_name(function: Any) -> Any:
    @functools.wraps(function)
    def wrapper(value: Any) -> Any:
        return ("wrapped", function(value))

    return wrapper


@same_name
@node(cpu=True)
def wrapped(value: Any) -> Any:
    return value


def tell(marker: str) -> None:
    """Write this process's id where a test looks for it, all of it at once."""
    draft = Path(f"{marker}.draft")
    draft.write_text(str(os.getpid()))
    draft.rename(marker)
