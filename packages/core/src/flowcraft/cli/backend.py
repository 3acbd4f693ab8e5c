"""What the commands do with adapters, and with the queues behind them."""

from __future__ import annotations

import math
from typing import Any

import msgspec

from flowcraft.adapters import Adapters, AdapterSpec
from flowcraft.app import Flowcraft
from flowcraft.cli.output import write
from flowcraft.cli.show import moment
from flowcraft.errors import BackendError, UnknownAdapterError
from flowcraft.ports.queue import DeadLetter

_ABILITIES = {
    "is_durable": "durable",
    "is_shared": "many processes",
    "fences_late_workers": "fences late workers",
    "keeps_journal": "keeps the order of events",
    "keeps_dead_letters": "keeps dead letters",
}


def list_adapters(*, as_json: bool) -> None:
    """List what is installed, and what of it cannot be used."""
    found = Adapters()
    usable, broken = [], {name: _why(error) for name, error in found.broken.items()}
    for spec in found.specs.values():
        try:
            spec.check()
        except UnknownAdapterError as error:
            broken[spec.name] = str(error)
        else:
            usable.append(spec)
    lines = []
    for spec in usable:
        aliases = f" (also {', '.join(spec.aliases)})" if spec.aliases else ""
        lines += [f"{spec.name}{aliases}  {spec.summary}", f"  {', '.join(_abilities(spec))}"]
    lines += [f"{name}  cannot be used: {why}" for name, why in broken.items()]
    value = {"adapters": [_plain(spec) for spec in usable], "broken": broken}
    write(as_json, value, "\n".join(lines))


def _why(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())


def _abilities(spec: AdapterSpec) -> list[str]:
    can = spec.capabilities
    able = [text for name, text in _ABILITIES.items() if getattr(can, name)]
    able.append(f"events within {can.events_late_seconds:g} s")
    if math.isfinite(can.longest_delay_seconds):
        able.append(f"delays up to {can.longest_delay_seconds:g} s, longer ones by timers")
    if math.isfinite(can.longest_unacknowledged_seconds):
        able.append(f"messages held up to {can.longest_unacknowledged_seconds:g} s, then timers")
    if can.largest_value_bytes is not None:
        able.append(f"values up to {can.largest_value_bytes:,} bytes")
    return ["needs a server", *able] if spec.needs_server else able


def _plain(spec: AdapterSpec) -> dict[str, Any]:
    """What a program reads; a number that has no limit is null."""
    shown = {"name": spec.name, "aliases": spec.aliases, "summary": spec.summary}
    return {**shown, "needs_server": spec.needs_server, **msgspec.structs.asdict(spec.capabilities)}


async def set_up(app: Flowcraft, *, adapter: str | None, url: str | None) -> None:
    """Make what the backend needs, and say what that is."""
    await (await app.adapter()).set_up()
    spec, settings, *_ = app.settings(adapter=adapter, url=url)
    options = ", ".join(f"{name}={value}" for name, value in settings.shown().items())
    print(f"{spec.name} is set up: {options}")


async def queue_depth(app: Flowcraft, *, as_json: bool) -> bool:
    """Write how many messages wait. Whether the backend can say."""
    depth = await (await app.adapter()).ports.queue.depth()
    text = "the backend cannot say" if depth is None else str(depth)
    write(as_json, {"depth": depth}, text)
    return depth is not None


async def list_letters(app: Flowcraft, limit: int, *, as_json: bool) -> bool:
    """List dead letters. True, for none of them is a fault of this command.

    Raises:
        BackendError: The backend keeps them to itself.
    """
    letters = await (await app.adapter()).ports.queue.dead_letters(limit)
    if letters is None:
        raise BackendError(
            "this queue keeps its dead letters to itself. Use the tools of its backend"
        )
    lines = [line for letter in letters for line in _letter_lines(letter)]
    if len(letters) == limit:
        lines.append(f"... these are the first {limit}; see more with --limit")
    write(as_json, [_letter(one) for one in letters], "\n".join(lines) or "no dead letters")
    return True


def _letter_lines(letter: DeadLetter) -> tuple[str, str]:
    return (
        f"{letter.id}  {moment(letter.at)}  {' '.join(letter.reason.split())}",
        f"  {_body(letter)[:200]!r}",
    )


def _letter(letter: DeadLetter) -> dict[str, Any]:
    return {"id": letter.id, "at": letter.at, "reason": letter.reason, "body": _body(letter)}


def _body(letter: DeadLetter) -> str:
    return letter.body.decode(errors="replace")


async def answer_letters(
    app: Flowcraft, requeue: list[str], drop: list[str], *, as_json: bool
) -> bool:
    """Put dead letters back on the queue, or remove them. Whether all of them were there."""
    queue = (await app.adapter()).ports.queue
    requeued = dict(zip(requeue, await queue.requeue(requeue), strict=True)) if requeue else {}
    dropped = dict(zip(drop, await queue.drop(drop), strict=True)) if drop else {}
    lines = [
        f"{id_}  {what if is_done else 'no such dead letter'}"
        for answers, what in ((requeued, "is on the queue again"), (dropped, "is removed"))
        for id_, is_done in answers.items()
    ]
    write(as_json, {"requeued": requeued, "dropped": dropped}, "\n".join(lines))
    return all((*requeued.values(), *dropped.values()))
