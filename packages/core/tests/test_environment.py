"""The variables of Flowcraft's own."""

from __future__ import annotations

from flowcraft.environment import Environment, option_variable


def test_variables_are_told_apart_by_what_they_are_about():
    environment = Environment(
        {
            "FLOWCRAFT_ADAPTER": "sqlite",
            "FLOWCRAFT_URL": "",
            "FLOWCRAFT_CONCURRENCY": "7",
            "FLOWCRAFT_SQLITE_LEASE_SECONDS": "9",
            "HOME": "/",
        }
    )
    assert (environment.adapter, environment.url) == ("sqlite", None)
    assert environment.of_application(["concurrency", "drain_seconds"]) == {"concurrency": "7"}
    assert environment.of_adapter("sqlite") == {"lease_seconds": "9"}


def test_a_variable_that_nobody_reads_is_named_with_the_nearest_that_somebody_does():
    environment = Environment(
        {"FLOWCRAFT_SQLITE_LEESE_SECONDS": "9", "FLOWCRAFT_ZEBRA": "1", "FLOWCRAFT_URL": "x"}
    )
    assert environment.unknown([option_variable("lease_seconds", "sqlite")]) == {
        "FLOWCRAFT_SQLITE_LEESE_SECONDS": "FLOWCRAFT_SQLITE_LEASE_SECONDS",
        "FLOWCRAFT_ZEBRA": None,
    }
