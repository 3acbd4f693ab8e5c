"""Command line before environment before application, for the adapter and its options (S12.25)."""

from __future__ import annotations

import pytest

from flowcraft.client.choice import AdapterChoice, resolve
from flowcraft.errors import SettingsError, UnknownAdapterError
from flowcraft.testing import covers

NOTHING = AdapterChoice()
SQLITE_HERE = AdapterChoice(url="sqlite:///here.db")


def test_an_application_that_says_nothing_uses_a_file_in_the_working_directory():
    spec, settings, *_ = resolve(NOTHING, environ={})
    assert (spec.name, settings.path) == ("sqlite", "flowcraft.db")


def test_the_scheme_of_a_url_names_the_adapter():
    assert resolve(AdapterChoice(url="memory://"), environ={})[0].name == "memory"


@covers("S12.25")
def test_the_environment_wins_over_the_application():
    spec, settings, *_ = resolve(SQLITE_HERE, environ={"FLOWCRAFT_URL": "sqlite:///there.db"})
    assert (spec.name, settings.path) == ("sqlite", "there.db")
    assert resolve(SQLITE_HERE, environ={"FLOWCRAFT_ADAPTER": "memory"})[0].name == "memory"


@covers("S12.25")
def test_the_command_line_wins_over_the_environment():
    _, settings, *_ = resolve(
        NOTHING,
        command_line=AdapterChoice(url="sqlite:///mine.db"),
        environ={"FLOWCRAFT_URL": "sqlite:///there.db", "FLOWCRAFT_ADAPTER": "memory"},
    )
    assert settings.path == "mine.db"


def test_an_adapter_named_on_the_command_line_keeps_the_url_below_that_is_its_own():
    choice = AdapterChoice(adapter="sqlite")
    environ = {"FLOWCRAFT_URL": "memory://"}
    spec, settings, *_ = resolve(SQLITE_HERE, command_line=choice, environ=environ)
    assert (spec.name, settings.path) == ("sqlite", "here.db")


def test_options_of_the_application_hold_where_nothing_above_says_otherwise():
    application = AdapterChoice(options={"lease_seconds": 7.0, "synchronous": "full"})
    _, settings, *_ = resolve(
        application, environ={"FLOWCRAFT_URL": "sqlite:///there.db?lease_seconds=9"}
    )
    assert (settings.lease_seconds, settings.synchronous) == (9.0, "full")


def test_a_single_option_of_the_environment_wins_over_the_url_beside_it():
    environ = {
        "FLOWCRAFT_URL": "sqlite:///there.db?lease_seconds=9",
        "FLOWCRAFT_SQLITE_LEASE_SECONDS": "11",
    }
    assert resolve(NOTHING, environ=environ)[1].lease_seconds == 11.0
    command_line = AdapterChoice(url="sqlite:///mine.db?lease_seconds=13")
    found = resolve(NOTHING, command_line=command_line, environ=environ)[1]
    assert found.lease_seconds == 13.0


def test_options_of_one_adapter_are_not_given_to_another():
    application = AdapterChoice(adapter="sqlite", options={"synchronous": "full"})
    spec, settings, *_ = resolve(application, environ={"FLOWCRAFT_ADAPTER": "memory"})
    assert (spec.name, settings.lease_seconds) == ("memory", 30.0)


def test_options_without_an_adapter_go_to_whichever_is_used():
    application = AdapterChoice(options={"lease_seconds": 7})
    for adapter in ("memory", "sqlite"):
        _, settings, *_ = resolve(application, environ={"FLOWCRAFT_ADAPTER": adapter})
        assert settings.lease_seconds == 7.0


def test_what_is_overridden_may_be_wrong():
    environ = {"FLOWCRAFT_ADAPTER": "nonsense", "FLOWCRAFT_URL": "kafka://there"}
    command_line = AdapterChoice(adapter="memory")
    assert resolve(SQLITE_HERE, command_line=command_line, environ=environ)[0].name == "memory"


def test_an_empty_variable_says_nothing():
    environ = {"FLOWCRAFT_ADAPTER": "", "FLOWCRAFT_URL": ""}
    assert resolve(SQLITE_HERE, environ=environ)[1].path == "here.db"


def test_a_name_and_a_url_of_two_adapters_contradict_each_other():
    environ = {"FLOWCRAFT_ADAPTER": "memory", "FLOWCRAFT_URL": "sqlite:///there.db"}
    with pytest.raises(SettingsError, match=r"FLOWCRAFT_ADAPTER.*'memory'.*'sqlite'"):
        resolve(NOTHING, environ=environ)


@covers("S12.26")
def test_an_option_that_does_not_exist_is_refused_with_the_nearest_one():
    with pytest.raises(SettingsError, match="Did you mean 'lease_seconds'"):
        resolve(AdapterChoice(options={"leese_seconds": 3}), environ={})
    with pytest.raises(SettingsError, match="Did you mean 'lease_seconds'"):
        resolve(AdapterChoice(url="sqlite:///x.db?leese_seconds=3"), environ={})


@covers("S12.27")
def test_an_adapter_that_is_not_installed_is_refused_with_what_installs_it():
    with pytest.raises(UnknownAdapterError, match="pip install"):
        resolve(NOTHING, environ={"FLOWCRAFT_ADAPTER": "kafka"})
