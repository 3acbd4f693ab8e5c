"""Options from keyword arguments, URLs and the environment."""

from __future__ import annotations

from typing import Any

import pytest

from flowcraft.errors import SettingsError
from flowcraft.sqlite import SqliteSettings


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite://", "flowcraft.db"),
        ("sqlite:///", "flowcraft.db"),
        ("sqlite:///relative.db", "relative.db"),
        ("sqlite:///../up/a%20b%3F.db", "../up/a b?.db"),
        ("sqlite:////abs/path.db", "/abs/path.db"),
        ("sqlite:///with#hash.db", "with#hash.db"),
    ],
)
def test_a_url_names_a_file(url: str, path: str) -> None:
    assert SqliteSettings.from_url(url) == SqliteSettings(path=path)


def test_a_url_has_options() -> None:
    url = (
        "sqlite:////abs/path.db?synchronous=full&lease_seconds=10&busy_timeout_seconds=0.5"
        "&largest_value_bytes=1000&allow_network_filesystem=true"
    )
    assert SqliteSettings.from_url(url, lease_seconds=20) == SqliteSettings(
        path="/abs/path.db",
        synchronous="full",
        lease_seconds=20.0,
        busy_timeout_seconds=0.5,
        largest_value_bytes=1000,
        allow_network_filesystem=True,
    )


def test_the_environment_has_a_url_and_single_options() -> None:
    environ = {
        "FLOWCRAFT_URL": "sqlite:///a.db?lease_seconds=10&synchronous=full",
        "FLOWCRAFT_SQLITE_LEASE_SECONDS": "5",
        "FLOWCRAFT_ADAPTER": "sqlite",
        "FLOWCRAFT_REDIS_PREFIX": "not ours",
    }
    assert SqliteSettings.from_environment(environ) == SqliteSettings(
        path="a.db", lease_seconds=5.0, synchronous="full"
    )
    assert SqliteSettings.from_environment({}) == SqliteSettings()
    with pytest.raises(SettingsError, match="Did you mean 'lease_seconds'"):
        SqliteSettings.from_environment({"FLOWCRAFT_SQLITE_LEESE_SECONDS": "5"})


def test_an_unknown_option_suggests_the_near_one() -> None:
    with pytest.raises(SettingsError) as caught:
        SqliteSettings.from_options(leese_seconds=10)
    assert str(caught.value) == "leese_seconds: unknown option. Did you mean 'lease_seconds'?"
    with pytest.raises(
        SettingsError, match=r"^zzz: unknown option. There are: path, lease_seconds"
    ):
        SqliteSettings.from_url("sqlite:///a.db?zzz=1")


@pytest.mark.parametrize(
    "options",
    [
        {"lease_seconds": 0},
        {"lease_seconds": "soon"},
        {"lease_seconds": float("inf")},
        {"lease_seconds": float("nan")},
        {"synchronous": "off"},
        {"busy_timeout_seconds": -1},
        {"largest_value_bytes": 0},
        {"largest_value_bytes": 10**9 + 1},
        {"allow_network_filesystem": "perhaps"},
        {"path": 7},
    ],
)
def test_a_value_that_does_not_fit_is_named(options: dict[str, Any]) -> None:
    (name,) = options
    with pytest.raises(SettingsError, match=f"^{name}="):
        SqliteSettings.from_options(**options)


@pytest.mark.parametrize(
    "url",
    ["redis://host", "sqlite://host/flow.db", "sqlite:///a.db?path=b.db", "flow.db",
     "sqlite:///a.db?lease_seconds=1&lease_seconds=2"],
)  # fmt: skip
def test_a_url_that_does_not_fit_is_refused(url: str) -> None:
    with pytest.raises(SettingsError):
        SqliteSettings.from_url(url)


def test_settings_do_not_change() -> None:
    with pytest.raises(AttributeError):
        SqliteSettings().path = "other"  # type: ignore[misc]
