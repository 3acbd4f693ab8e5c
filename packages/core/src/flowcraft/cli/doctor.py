"""`flowcraft doctor`: what is used, who said so, whether it works, and how to mend it."""

from __future__ import annotations

import platform
from collections.abc import AsyncIterator, Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import msgspec

from flowcraft.adapter.base import BaseDistributedAdapter
from flowcraft.adapter.finding import Finding
from flowcraft.adapters import Adapters
from flowcraft.app import Flowcraft
from flowcraft.client.choice import Choice
from flowcraft.client.settings import WorkSettings
from flowcraft.environment import Environment, option_variable
from flowcraft.errors import BackendError, FlowcraftError, SettingsError, UnknownAdapterError

EARLIEST = 1_767_225_600.0
"""2026-01-01, before which this was not written: a clock that says so is wrong."""
COUNTED = 100
"""How many stalled runs and dead letters are counted; beyond it there are `more`."""
PATIENCE = 3
"""A run is stalled when it was due to be looked at so many sweep intervals ago."""


class Setting(msgspec.Struct, frozen=True):
    """One option, and who gave it."""

    name: str
    value: Any
    origin: str


class Diagnosis(msgspec.Struct, frozen=True):
    """All that was found."""

    settings: list[Setting]
    findings: list[Finding]
    is_well: bool

    def lines(self) -> Iterator[str]:
        """Tell it to a person."""
        width = max((len(one.name) for one in self.settings), default=0)
        for one in self.settings:
            yield f"setting  {one.name:{width}}  {one.value}  ({one.origin})"
        width = max(len(one.topic) for one in self.findings)
        for found in self.findings:
            yield f"{found.level:7}  {found.topic:{width}}  {' '.join(found.text.split())}"
            if found.mend:
                yield f"{'':7}  {'':{width}}  -> {found.mend}"
        count = sum(found.level == "problem" for found in self.findings)
        yield f"{count} problem{'s' if count != 1 else ''}" if count else "all is well"


async def diagnose(app: Flowcraft, *, adapter: str | None, url: str | None) -> Diagnosis:
    """Look at everything; what cannot be looked at is a finding too."""
    settings: list[Setting] = []
    findings = [Finding("ok", "versions", _versions())]
    findings += _plugins()
    findings += _blueprints(app)
    try:
        work, origins = app.work_settings()
        settings += _shown(msgspec.structs.asdict(work), origins)
    except SettingsError as error:
        findings.append(_problem("settings", error))
    try:
        choice = app.settings(adapter=adapter, url=url)
    except (SettingsError, UnknownAdapterError) as error:
        findings.append(_problem("adapter", error))
    else:
        settings.insert(0, Setting("adapter", choice.spec.name, choice.named_by))
        settings += _shown(choice.settings.shown(), choice.origins)
        findings += _abilities(choice)
        findings += [found async for found in _backend(app, adapter=adapter, url=url)]
    findings += _variables()
    is_well = all(found.level != "problem" for found in findings)
    return Diagnosis(settings, findings, is_well)


def _problem(topic: str, error: Exception) -> Finding:
    return Finding("problem", topic, f"{type(error).__name__}: {error}")


def _shown(options: Mapping[str, Any], origins: Mapping[str, str]) -> list[Setting]:
    return [Setting(name, value, origins[name]) for name, value in options.items()]


def _versions() -> str:
    try:
        own = version("flowcraft-core")
    except PackageNotFoundError:
        own = "not installed"
    return f"flowcraft-core {own}, Python {platform.python_version()}, {platform.system()}"


def _plugins() -> Iterator[Finding]:
    for name, error in Adapters().broken.items():
        yield Finding(
            "problem", "plugin",
            f"adapter {name!r} cannot be loaded: {type(error).__name__}: {error}",
            "Upgrade its package, or uninstall it; the other adapters work",
        )  # fmt: skip


def _variables() -> Iterator[Finding]:
    """Variables that look like ours and that nobody reads."""
    known = [option_variable(name) for name in WorkSettings.__struct_fields__]
    adapters = Adapters()
    for spec in adapters.specs.values():
        try:
            fields = spec.settings_class().__struct_fields__
        except UnknownAdapterError:
            continue  # it says so itself when it is chosen
        known += [option_variable(field, spec.name) for field in fields]
    for name, near in Environment().unknown(known).items():
        if near is not None:
            yield Finding("problem", "variable", f"nobody reads {name}", f"Did you mean {near}?")
        else:
            yield Finding("note", "variable", f"nobody reads {name}")


def _blueprints(app: Flowcraft) -> Iterator[Finding]:
    faulty = 0
    for blueprint_id in app.blueprints:
        problems = app.problems(app.blueprint(blueprint_id))
        faulty += bool(problems)
        for text in problems:
            yield Finding("problem", "blueprint", f"{blueprint_id!r}: {text}")
    if not app.blueprints:
        yield Finding("note", "blueprints", "the application has none", "Add one: app.add(flow)")
    elif not faulty:
        count = len(app.blueprints)
        yield Finding("ok", "blueprints", f"{count}, and all their names are known")


def _abilities(choice: Choice) -> Iterator[Finding]:
    spec = choice.spec
    if not spec.capabilities.is_shared:
        yield Finding(
            "note", "adapter", f"{spec.name!r} keeps its runs in one process, and for its life",
            "Choose another one, such as --url sqlite:///flowcraft.db, to keep them",
        )  # fmt: skip


async def _backend(
    app: Flowcraft, *, adapter: str | None, url: str | None
) -> AsyncIterator[Finding]:
    """Whether the backend is there, and what it holds that somebody should see to."""
    try:
        await app.connect(adapter=adapter, url=url)
    except FlowcraftError as error:
        yield _problem("backend", error)
        return
    try:
        connected = await app.adapter()
        yield Finding("ok", "backend", "it answers")
        for found in await connected.diagnose():
            yield found
        async for found in _work(connected):
            yield found
    except BackendError as error:
        yield _problem("backend", error)
    finally:
        await app.aclose()


async def _work(adapter: BaseDistributedAdapter) -> AsyncIterator[Finding]:
    options = adapter.options.runtime_options
    now = options.clock.now()
    if now < EARLIEST:
        yield Finding("problem", "clock", "the clock of this machine is years behind", "Set it")
    depth = await adapter.ports.queue.depth()
    yield Finding("ok", "queue", "its depth is not known" if depth is None else f"{depth} waiting")
    due = now - PATIENCE * options.sweep_interval_seconds
    stalled = await adapter.ports.store.stalled(due, COUNTED)
    if stalled:
        some = ", ".join(run.run_id for run in stalled[:3])
        yield Finding(
            "problem", "runs", f"nobody looks after {_count(len(stalled))} run(s), such as {some}",
            "Is there a worker? Start one: flowcraft worker APP; and see: flowcraft show APP RUN",
        )  # fmt: skip
    else:
        yield Finding("ok", "runs", "none is stalled")
    letters = await adapter.ports.queue.dead_letters(COUNTED)
    if letters is None:
        yield Finding("note", "dead letters", "only the backend's own tools list them")
    elif letters:
        yield Finding(
            "problem", "dead letters", f"{_count(len(letters))}; the first: {letters[0].reason}",
            "List them, then put them back or drop them: flowcraft dead-letters APP",
        )  # fmt: skip
    else:
        yield Finding("ok", "dead letters", "none")


def _count(number: int) -> str:
    return f"{number} or more" if number == COUNTED else str(number)
