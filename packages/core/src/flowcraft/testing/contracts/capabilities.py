"""What an adapter declares of itself, held against what it is; and how it is found and set up."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterable
from importlib.metadata import entry_points
from typing import Any

import msgspec
import pytest

from flowcraft.adapters import BUILT_IN, GROUP, AdapterSettings, AdapterSpec, find_adapter
from flowcraft.environment import URL, option_variable
from flowcraft.errors import SettingsError
from flowcraft.testing.checks import check, covers
from flowcraft.testing.children import environment
from flowcraft.testing.contracts.making import create, job, load, needs, now, record
from flowcraft.testing.contracts.results import handle
from flowcraft.testing.contracts.store import commit
from flowcraft.testing.graphs import graph, node
from flowcraft.testing.harness import Harness
from flowcraft.testing.loop import VirtualLoop, answer_due
from flowcraft.testing.stage import Stage

SECRET = "s3cret-w0rd"  # noqa: S105 - to be looked for in what is shown
LIGHT = """
import sys
import flowcraft.adapters
before = {*sys.modules}
import {module}
print(*({*sys.modules} - before))
"""


def spec_path(spec: AdapterSpec) -> str:
    """`module:name` of a spec, from its entry point; skips where it has none."""
    found = {entry.name: entry.value for entry in entry_points(group=GROUP)} | BUILT_IN
    path = found.get(spec.name)
    needs(path, "it has no entry point: nobody finds it by its name")
    assert path is not None
    return path


def settings_class(harness: Harness) -> type[AdapterSettings]:
    """The settings of the adapter; skips where it has none."""
    settings = harness.spec.settings_class()
    needs(settings is not AdapterSettings, "it has no settings")
    return settings


class CapabilitiesContract:
    """`AdapterSpec`: what is declared holds, and what is not declared is not there."""

    @check("S2.7", "S12.16")
    async def test_what_is_declared_is_what_its_ports_say(self, stage: Stage) -> None:
        """Both ways: neither more nor less."""
        declared, adapter = stage.harness.spec.capabilities, stage.client
        queue = adapter.ports.queue
        assert declared.is_push == (adapter.native_ports() is None)
        assert declared.longest_delay_seconds == queue.longest_delay_seconds
        assert declared.longest_unacknowledged_seconds == queue.longest_unacknowledged_seconds
        assert declared.largest_value_bytes == adapter.parts.largest_value
        assert declared.keeps_dead_letters == (await queue.dead_letters(1) is not None)
        await create(stage)
        journal = await adapter.ports.store.journal("run", "", 1)
        assert declared.keeps_journal == (journal is not None)

    @check("S12.22", "S12.13", "G6")
    async def test_what_is_durable_outlives_all_processes(self, stage: Stage) -> None:
        needs(stage.harness.spec.capabilities.is_durable, "it keeps nothing, as it declares")
        first = stage.make_worker("first").adapter
        await create(stage, context={"k": b"1"})
        await commit(first.ports.store, record())
        await first.enqueue_job(job())
        await first.options.coordination_store.set_if_not_exist("key", "value", None)
        with answer_due():
            await first.aclose()
        second = stage.make_worker("second").adapter
        (header,) = await second.ports.store.headers(["run"])
        assert header is not None
        loaded = await load(stage)
        assert loaded.cells.keys() == {"record"}
        assert loaded.context == {"k": b"1"}
        assert await second.options.coordination_store.get("key") == "value"
        handed = asyncio.Event()

        async def answer(taken: object) -> None:
            del taken
            handed.set()

        taking = asyncio.ensure_future(second.process_jobs(answer))
        await asyncio.wait_for(handed.wait(), stage.harness.patience_seconds)
        taking.cancel()

    @covers("S12.18")
    def test_what_is_shared_can_be_reached_from_another_process(self, harness: Harness) -> None:
        """The harness says how; see `ProcessesContract`."""
        assert harness.spec.capabilities.is_shared == (harness.elsewhere() is not None)

    @check("S12.18")
    async def test_who_cannot_fence_late_workers_says_so(self, stage: Stage) -> None:
        """To `flowcraft doctor`; and who can has nothing of the kind to say."""
        declared = stage.harness.spec.capabilities
        with answer_due():
            await stage.client.open()
            findings = await stage.client.diagnose()
        is_said = any(finding.topic == "late workers" for finding in findings)
        assert is_said == (not declared.fences_late_workers)

    @check("S1.44", "S1.42")
    async def test_events_are_told_as_soon_as_is_declared(self, stage: Stage) -> None:
        if not isinstance(asyncio.get_running_loop(), VirtualLoop):
            pytest.skip("its time is real, so that it cannot be told from that of the machine")
        go_on = asyncio.Event()

        @stage.node("held")
        async def held(input: Any) -> Any:
            await go_on.wait()
            return input

        stage.add(graph([node("a"), node("b", "held"), node("c")], ("a", "b"), ("b", "c")))
        stage.worker()
        await stage.submit("g")
        told: dict[tuple[str, str], float] = {}

        async def listen() -> None:
            async for event in handle(stage.client).events():
                told[event.kind, event.node] = now(stage)

        listening = asyncio.ensure_future(listen())
        done = {("finished", "a"): (await stage.until_recorded("a"), now(stage))[1]}
        await asyncio.sleep(60)  # whoever listens looks less and less often
        go_on.set()
        await stage.until_recorded("c")
        done["finished", "b"] = done["finished", "c"] = now(stage)
        await asyncio.wait_for(listening, stage.harness.patience_seconds)
        declared = stage.harness.spec.capabilities.events_late_seconds
        late = {event: told[event] - at for event, at in done.items()}
        assert max(late.values()) <= declared, late


class SettingsContract:
    """`AdapterSpec` and `AdapterSettings`: how an adapter is found and told where to connect."""

    @covers("S12.25", "S12.27")
    def test_it_is_found_by_its_names(self, harness: Harness) -> None:
        spec = harness.spec
        spec_path(spec)
        for name in spec.names:
            assert find_adapter(name) == spec
        spec.check()

    @covers("S12.21", "S12.27")
    def test_to_know_of_it_imports_no_client_library(self, harness: Harness) -> None:
        """Every command reads the specs of all adapters that are installed."""
        module = spec_path(harness.spec).partition(":")[0]
        done = subprocess.run(  # noqa: S603 - a module that is installed
            [sys.executable, "-c", LIGHT.replace("{module}", module)],
            capture_output=True, text=True, check=True, env=environment(),
        )  # fmt: skip
        ours = {"flowcraft", module.partition(".")[0]}
        strangers = _top(done.stdout.split()) - ours - {*sys.stdlib_module_names}
        assert not strangers, f"{module} imports {sorted(strangers)} before anybody uses it"

    @covers("S12.26")
    def test_an_option_that_does_not_exist_is_refused_with_the_near_one(
        self, harness: Harness
    ) -> None:
        settings = settings_class(harness)
        for field in msgspec.structs.fields(settings):
            wrong = field.name[:1] + field.name[2:]
            with pytest.raises(SettingsError) as caught:
                settings.from_options(**{wrong: "1"})
            assert wrong in str(caught.value)
            assert f"'{field.name}'" in str(caught.value)

    @covers("S12.25")
    def test_a_url_options_and_the_environment_give_the_same(self, harness: Harness) -> None:
        settings, url, name = settings_class(harness), harness.url(), harness.spec.name
        needs(url, "its harness gives no URL")
        assert url is not None
        given = settings.from_url(url)
        assert settings.from_environment({URL: url}) == given
        assert find_adapter(url) == harness.spec
        lease = harness.lease_seconds + 1.5
        wanted = settings.from_url(url, lease_seconds=lease)
        assert wanted != given
        parameter = f"{'&' if '?' in url else '?'}lease_seconds={lease}"
        assert settings.from_url(url + parameter) == wanted
        variable = {URL: url, option_variable("lease_seconds", name): str(lease)}
        assert settings.from_environment(variable) == wanted
        assert settings.from_url(url + parameter, lease_seconds=harness.lease_seconds) == (
            settings.from_url(url, lease_seconds=harness.lease_seconds)
        ), "what is given by itself does not win over the URL"

    @covers("S12.26")
    def test_an_option_that_does_not_fit_is_refused_by_its_name(self, harness: Harness) -> None:
        settings = settings_class(harness)
        for value in ("soon", -1, 0, "nan", "inf"):
            with pytest.raises(SettingsError, match="lease_seconds"):
                settings.from_options(lease_seconds=value)

    @covers("S12.25")
    def test_what_is_shown_of_its_settings_has_no_secrets(self, harness: Harness) -> None:
        """In an option of its own or in a URL; all else is shown."""
        settings = settings_class(harness)
        shown = settings.from_options().shown()
        assert shown.keys() == {field.name for field in msgspec.structs.fields(settings)}
        for field in msgspec.structs.fields(settings):
            is_secret = any(word in field.name for word in ("password", "secret", "token", "key"))
            value = SECRET if is_secret else f"amqp://user:{SECRET}@host/?password={SECRET}"
            try:
                made = settings.from_options(**{field.name: value})
            except SettingsError:
                continue  # it is no text, or none of that kind
            assert SECRET not in str(made.shown()), field.name


def _top(modules: Iterable[str]) -> set[str]:
    return {module.partition(".")[0] for module in modules}
