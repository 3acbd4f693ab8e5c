"""Settings that cannot be meant: an error that names the setting, the value and the mend."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from flowcraft import Flowcraft
from flowcraft.errors import FlowcraftError, SettingsError, UnknownAdapterError
from packages.core.tests.bad_days.apps import make_app, working


@pytest.mark.parametrize("name", ["drain_seconds", "missing_seconds", "sweep_interval_seconds"])
@pytest.mark.parametrize("value", [-1, math.nan, math.inf, 10**400, "30", None])
def test_a_time_that_is_no_number_of_seconds_is_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(SettingsError, match=rf"^{name}="):
        Flowcraft(**{name: value})


@pytest.mark.parametrize("options", [{"adapter": 5}, {"url": b"sqlite:///a.db"}, {"url": ["x"]}])
def test_an_adapter_or_url_that_is_no_text_is_refused_by_name(options: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match=rf"^{next(iter(options))}=.*: a text"):
        Flowcraft(**options)


@pytest.mark.parametrize(
    ("url", "what"),
    [
        ("sqlite://[", "this is no URL"),
        ("sqlite:///a\nb.db", "no line breaks"),
        ("sqlite:a.db", "begins with the name of an adapter"),
        ("sqlite:///%00.db", "the name of a file"),
        ("sqlite:///a.db?lease_seconds=10s", "lease_seconds='10s'"),
        ("sqlite:///a.db?lease_seconds", "lease_seconds=''"),
        ("sqlite:///a.db?lease=5&lease=6", "lease: given more than once"),
        ("sqlite:///a.db?ttl=5", "ttl: unknown option. There are: path, lease_seconds"),
        ("memory://?lease_seconds=nan", "lease_seconds=nan"),
    ],
)
def test_a_url_that_cannot_be_meant_is_refused_with_what_is_wrong(url: str, what: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Flowcraft(url=url).settings()
    assert what in str(caught.value)


@pytest.mark.parametrize("url", ["", "http://x", "://", " sqlite:///a.db", "sqlite\ud800://"])
def test_a_url_of_no_adapter_names_those_that_are_installed(url: str) -> None:
    if not url:
        assert Flowcraft(url=url).settings()[0].name == "sqlite"  # says nothing
        return
    with pytest.raises(UnknownAdapterError, match=r"Installed: .*memory, sqlite"):
        Flowcraft(url=url).settings()


def test_a_path_that_no_file_can_have_is_refused() -> None:
    with pytest.raises(SettingsError, match="the name of a file"):
        Flowcraft(adapter="sqlite", path="\ud800").settings()


@pytest.mark.parametrize(
    ("variables", "what"),
    [
        ({"FLOWCRAFT_SQLITE_LEASE_SECONDS": "soon"}, "FLOWCRAFT_SQLITE_LEASE_SECONDS: lease_sec"),
        ({"FLOWCRAFT_SQLITE_LEESE_SECONDS": "1"}, "Did you mean 'lease_seconds'"),
        ({"FLOWCRAFT_SQLITE_": "1"}, "FLOWCRAFT_SQLITE_: "),
        ({"FLOWCRAFT_URL": "garbage"}, "begins with the name of an adapter"),
        ({"FLOWCRAFT_ADAPTER": "garbage"}, "no adapter named 'garbage'"),
        (
            {"FLOWCRAFT_ADAPTER": "memory", "FLOWCRAFT_URL": "sqlite:///x"},
            "FLOWCRAFT_ADAPTER and FLOWCRAFT_URL: the adapter is 'memory'",
        ),
    ],
)
def test_garbage_in_the_environment_is_refused_by_the_name_of_its_variable(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], what: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(FlowcraftError) as caught:
        Flowcraft().settings()
    assert what in str(caught.value)


@pytest.mark.parametrize(
    "name",
    ["a?b.db", "a#b.db", "%41.db", "a b+c.db", "a;b&c=d.db", 'it\'s "q".db', "\u00e4\U0001f600"],
)
async def test_a_file_of_any_name_is_reached_by_its_url(tmp_path: Path, name: str) -> None:
    app = make_app("unused")
    app._settings = {}
    app._url, app._adapter_name = f"sqlite:///{quote(str(tmp_path / name))}", None
    async with app:
        await app.submit("twice", 1)
    assert [entry.name for entry in tmp_path.iterdir()] == [name]


def test_a_name_that_is_no_utf_8_is_reached_by_its_url() -> None:
    settings = Flowcraft(url="sqlite:///a%ff.db").settings().settings
    assert settings.path == "a\udcff.db"  # type: ignore[attr-defined]


async def test_a_connected_application_stays_with_its_file_wherever_the_process_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    app = make_app("flow.db")
    async with app:
        monkeypatch.chdir(tmp_path / "elsewhere")
        run = await app.submit("twice", 1)
        async with working(make_app(tmp_path / "flow.db")):
            assert (await run.result(60)).output == 1
    assert list((tmp_path / "elsewhere").iterdir()) == []


async def test_applications_with_different_settings_share_a_file(path: Path) -> None:
    careful = make_app(path, synchronous="full", lease_seconds=60)
    hasty = make_app(path, synchronous="normal", largest_value_bytes=1000)
    async with careful, hasty:
        runs = [await app.submit("twice", n) for n in range(10) for app in (careful, hasty)]
        async with working(hasty):
            await runs[-1].result(60)
        async with working(careful):
            assert [(await run.result(60)).output for run in runs] == [n // 2 for n in range(20)]
