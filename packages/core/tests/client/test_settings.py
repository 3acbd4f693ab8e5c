"""How workers work, and who said so (S12.25)."""

from __future__ import annotations

import pytest

from flowcraft import Flowcraft
from flowcraft.client.choice import AdapterChoice, resolve
from flowcraft.client.settings import WorkSettings, resolve_work
from flowcraft.errors import SettingsError
from flowcraft.sqlite.settings import SqliteSettings
from flowcraft.testing import covers


@covers("S12.39")
def test_the_command_line_wins_over_the_environment_and_this_over_the_application():
    application = WorkSettings(concurrency=2, drain_seconds=3.0, max_deliveries=4)
    environ = {"FLOWCRAFT_CONCURRENCY": "20", "FLOWCRAFT_DRAIN_SECONDS": "30"}
    found, origins = resolve_work(application, command_line={"concurrency": 200}, environ=environ)
    assert (found.concurrency, found.drain_seconds, found.max_deliveries) == (200, 30.0, 4)
    assert origins == {
        "concurrency": "command line",
        "drain_seconds": "FLOWCRAFT_DRAIN_SECONDS",
        "max_deliveries": "application",
        "missing_seconds": "default",
        "sweep_interval_seconds": "default",
        "retention_seconds": "default",
        "blocked_loop_seconds": "default",
        "cpu_processes": "default",
    }


@pytest.mark.parametrize("text", ["0", "many", "1.5"])
def test_a_variable_that_does_not_fit_is_refused(text):
    with pytest.raises(SettingsError, match=rf"(?i)concurrency='?{text}'?: "):
        resolve_work(WorkSettings(), command_line={}, environ={"FLOWCRAFT_CONCURRENCY": text})


@covers("S12.39")
async def test_what_the_environment_says_reaches_the_worker(monkeypatch):
    app = Flowcraft(adapter="memory", concurrency=2)
    monkeypatch.setenv("FLOWCRAFT_CONCURRENCY", "3")
    monkeypatch.setenv("FLOWCRAFT_MAX_DELIVERIES", "9")
    assert app.worker()._concurrency == 3
    assert app.worker(concurrency=4)._concurrency == 4
    async with app:
        options = (await app.adapter()).options.runtime_options
        assert options.max_deliveries == 9


def test_each_option_of_an_adapter_says_who_gave_it():
    choice = resolve(
        AdapterChoice(url="sqlite:///here.db", options={"synchronous": "full"}),
        environ={
            "FLOWCRAFT_URL": "sqlite:///there.db?busy_timeout_seconds=7",
            "FLOWCRAFT_SQLITE_LEASE_SECONDS": "9",
        },
        command_line=AdapterChoice(adapter="sqlite"),
    )
    assert choice.named_by == "command line"
    assert choice.origins == {
        "path": "FLOWCRAFT_URL",
        "busy_timeout_seconds": "FLOWCRAFT_URL",
        "lease_seconds": "FLOWCRAFT_SQLITE_LEASE_SECONDS",
        "synchronous": "application",
        "largest_value_bytes": "default",
        "allow_network_filesystem": "default",
    }


@pytest.mark.parametrize(
    ("environ", "named_by"),
    [
        ({}, "default"),
        ({"FLOWCRAFT_ADAPTER": "sqlite"}, "FLOWCRAFT_ADAPTER"),
        ({"FLOWCRAFT_URL": "sqlite:///x.db"}, "FLOWCRAFT_URL"),
    ],
)
def test_an_adapter_says_who_named_it(environ, named_by):
    assert resolve(AdapterChoice(), environ=environ).named_by == named_by


class ServerSettings(SqliteSettings, frozen=True, kw_only=True):
    url: str = ""
    api_token: str = ""


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://user:pa:s%40s@host/0", "redis://user:***@host/0"),
        ("redis://:pass@host", "redis://:***@host"),
        ("redis://host/0?password=x&db=1&sas_token=y", "redis://host/0?password=***&db=1&sas_token=***"),
        ("redis://host:6379/0", "redis://host:6379/0"),
    ],
)  # fmt: skip
def test_settings_are_shown_without_their_secrets(url, shown):
    settings = ServerSettings(url=url, api_token="secret")
    assert (settings.shown()["url"], settings.shown()["api_token"]) == (shown, "***")
