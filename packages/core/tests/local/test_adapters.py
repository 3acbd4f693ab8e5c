"""Which adapters are found, and what is said of those that are not."""

from __future__ import annotations

import logging
import subprocess
import sys
from importlib.metadata import EntryPoint

import pytest

from flowcraft.adapter.options import RuntimeOptions
from flowcraft.adapters import GROUP, Adapters, AdapterSpec, find_adapter
from flowcraft.errors import SettingsError, UnknownAdapterError
from flowcraft.memory import MemoryAdapter
from flowcraft.memory.spec import MemorySettings
from flowcraft.nodes import NodeRegistry
from flowcraft.ports.queue import JobQueue
from flowcraft.ports.store import RunStore
from flowcraft.sqlite import SqliteAdapter, SqliteSettings
from flowcraft.testing import covers
from tests.four_method.adapter import FourMethodAdapter, ToyServer

MINE = AdapterSpec(
    name="mine",
    summary="a stranger's",
    adapter="no_such_module:Mine",
    settings="no_such_module:MineSettings",
    aliases=("my-own",),
    schemes=("mines",),
    install="flowcraft-mine",
)
THIEF = AdapterSpec(name="sqlite", summary="a thief", adapter="a:b", settings="a:b")


def entry(name: str, value: str) -> EntryPoint:
    return EntryPoint(name, value, GROUP)


def mine(name: str = "mine", attribute: str = "MINE") -> EntryPoint:
    return entry(name, f"{__name__}:{attribute}")


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, __name__, sys.modules[__name__])


def test_the_built_in_ones_are_there_without_entry_points() -> None:
    adapters = Adapters([])
    assert sorted(adapters.specs) == ["memory", "sqlite"]
    assert not adapters.broken
    assert find_adapter("sqlite").settings_class() is SqliteSettings
    assert find_adapter("memory").settings_class() is MemorySettings


def test_a_name_an_alias_and_a_scheme_lead_to_a_plugin() -> None:
    adapters = Adapters([mine()])
    assert adapters.find("mine") is adapters.find("my-own") is MINE
    assert adapters.for_url("mines://host") is adapters.for_url("my-own://host") is MINE
    assert find_adapter("sqlite:///flow.db").name == "sqlite"
    with pytest.raises(SettingsError):
        adapters.for_url("flow.db")


@covers("S12.27")
@pytest.mark.parametrize(
    ("name", "extra"),
    [("redis", "redis"), ("bullmq", "redis"), ("sqs", "sqs"), ("gcp", "gcp"), ("azure", "azure"),
     ("kafka", "kafka"), ("rabbitmq", "rabbitmq"), ("rediss://host", "redis")],
)  # fmt: skip
def test_one_that_is_not_installed_comes_with_its_command(name: str, extra: str) -> None:
    adapters = Adapters([])
    with pytest.raises(UnknownAdapterError) as caught:
        adapters.for_url(name) if "://" in name else adapters.find(name)
    assert f"pip install 'flowcraft-core[{extra}]'" in str(caught.value)
    assert "Installed: memory, sqlite." in str(caught.value)


def test_a_misspelt_one_gets_a_suggestion() -> None:
    with pytest.raises(UnknownAdapterError, match="Did you mean 'sqlite'"):
        Adapters([]).find("sqlight")
    with pytest.raises(UnknownAdapterError, match=r"no adapter named 'zzz'\. Installed"):
        Adapters([]).find("zzz")


@covers("S12.21")
def test_a_plugin_that_cannot_be_loaded_is_reported_and_the_others_work(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING):
        adapters = Adapters([entry("bad", "no_such_module:SPEC"), mine(), mine("none", "GROUP")])
    assert adapters.find("mine") is MINE
    assert adapters.find("sqlite").name == "sqlite"
    assert sorted(adapters.broken) == ["bad", "none"]
    assert caplog.text.count("cannot be loaded") == 2
    with pytest.raises(UnknownAdapterError, match="installed and cannot be loaded") as caught:
        adapters.find("bad")
    assert isinstance(caught.value.__cause__, ModuleNotFoundError)


def test_nobody_takes_the_name_of_another() -> None:
    adapters = Adapters([mine("a thief", "THIEF"), mine(), mine()])
    assert adapters.find("sqlite") != THIEF
    assert list(adapters.broken) == ["a thief"]


def test_a_missing_library_comes_with_its_command() -> None:
    for use in (MINE.settings_class, lambda: MINE.create(options(), MemorySettings())):
        with pytest.raises(UnknownAdapterError, match="pip install 'flowcraft-mine'"):
            use()


def options() -> RuntimeOptions:
    return RuntimeOptions(registry=NodeRegistry())


async def test_a_spec_makes_its_adapter() -> None:
    settings = MemorySettings.from_url("memory://?lease_seconds=7&largest_value_bytes=100")
    made = find_adapter("memory").create(options(), settings)
    assert isinstance(made, MemoryAdapter)
    assert made.ports.queue.lease_seconds == 7.0
    assert made.parts.largest_value == 100
    assert isinstance(find_adapter("sqlite").create(options(), SqliteSettings()), SqliteAdapter)


async def test_what_an_adapter_declares_is_true_of_one_with_the_default_settings() -> None:
    for name, settings in (("memory", MemorySettings()), ("sqlite", SqliteSettings())):
        spec = find_adapter(name)
        made = spec.create(options(), settings)
        queue, declared = made.ports.queue, spec.capabilities
        assert declared.longest_delay_seconds == queue.longest_delay_seconds
        assert declared.longest_unacknowledged_seconds == queue.longest_unacknowledged_seconds
        assert declared.largest_value_bytes == made.parts.largest_value
        assert declared.is_push == (made.native_ports() is None)
        overrides = type(made.ports.store).journal is not RunStore.journal
        assert declared.keeps_journal == overrides
        overrides = type(queue).dead_letters is not JobQueue.dead_letters
        assert declared.keeps_dead_letters == overrides


async def test_what_is_declared_by_default_is_true_of_the_four_methods_alone() -> None:
    declared = MINE.capabilities
    made = FourMethodAdapter(options(), ToyServer())
    assert declared.longest_delay_seconds == made.ports.queue.longest_delay_seconds
    unacknowledged = made.ports.queue.longest_unacknowledged_seconds
    assert declared.longest_unacknowledged_seconds == unacknowledged
    assert declared.largest_value_bytes == made.parts.largest_value
    assert declared.is_push
    assert declared.keeps_journal == (await made.ports.store.journal("r", "", 1) is not None)
    letters = await made.ports.queue.dead_letters(1)
    assert declared.keeps_dead_letters == (letters is not None)
    assert declared.fences_late_workers == (not await made.diagnose())


def test_settings_of_the_memory_adapter_are_checked() -> None:
    for wrong in ({"lease_seconds": 0}, {"largest_value_bytes": 0}, {"least": 1}):
        with pytest.raises(SettingsError):
            MemorySettings.from_options(**wrong)
    with pytest.raises(SettingsError, match="no address"):
        MemorySettings.from_url("memory://host")


def test_the_registry_itself_imports_no_adapter() -> None:
    program = (
        "import sys, flowcraft.adapters;"
        "sys.exit('sqlite3' in sys.modules or 'flowcraft.sqlite.adapter' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False, timeout=60).returncode == 0
