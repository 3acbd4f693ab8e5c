"""Which adapter is used, and with which options.

The command line wins over the environment, and the environment over the application, for a
worker and for a client alike. Options that are given together with an adapter are never given to
another one; those that are given without one go to whichever is used.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from flowcraft.adapters import Adapters, AdapterSettings, AdapterSpec, split_url
from flowcraft.errors import SettingsError, UnknownAdapterError

DEFAULT_ADAPTER = "sqlite"
"""What an application uses that says nothing: a file in the working directory."""


@dataclass(frozen=True, kw_only=True)
class AdapterChoice:
    """What one place says: the command line, the environment or the application.

    Args:
        adapter: Name of the adapter.
        url: Where it connects; its scheme names the adapter too.
        options: Single options, which win over those of the URL.
    """

    adapter: str | None = None
    url: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    def spec(self, adapters: Adapters, place: str) -> AdapterSpec | None:
        """The adapter that it names, or None.

        Args:
            adapters: Those that are installed.
            place: Where it was said, for errors.

        Raises:
            UnknownAdapterError: It is not installed.
            SettingsError: Name and URL are not of one adapter.
        """
        named = adapters.find(self.adapter) if self.adapter else None
        located = adapters.for_url(self.url) if self.url else None
        if named is not None and located is not None and named != located:
            raise SettingsError(
                f"{place}: the adapter is {named.name!r}, and the URL one of {located.name!r}. "
                "Leave one of them out"
            )
        return named or located

    def is_about(self, chosen: AdapterSpec, adapters: Adapters, place: str) -> bool:
        """Whether its options are for that adapter; what is overridden may well be wrong."""
        try:
            return self.spec(adapters, place) in (None, chosen)
        except (UnknownAdapterError, SettingsError):
            return False


def resolve(
    application: AdapterChoice,
    *,
    command_line: AdapterChoice | None = None,
    environ: Mapping[str, str] | None = None,
) -> tuple[AdapterSpec, AdapterSettings]:
    """Decide which adapter is used, and read its settings.

    Raises:
        UnknownAdapterError: It is not installed; says how to install it.
        SettingsError: An option does not exist or does not fit, or a name contradicts its URL.
    """
    environ = os.environ if environ is None else environ
    environment = AdapterChoice(
        adapter=environ.get("FLOWCRAFT_ADAPTER") or None, url=environ.get("FLOWCRAFT_URL") or None
    )
    # Each wins over those after it.
    places = [
        ("command line", command_line or AdapterChoice()),
        ("FLOWCRAFT_ADAPTER and FLOWCRAFT_URL", environment),
        ("application", application),
    ]
    adapters = Adapters()
    chosen: AdapterSpec | None = None
    for place, choice in places:
        chosen = chosen or choice.spec(adapters, place)
    chosen = chosen or adapters.find(DEFAULT_ADAPTER)
    settings_class = chosen.settings_class()
    options: dict[str, Any] = {}
    for place, choice in reversed(places):
        if choice.is_about(chosen, adapters, place):
            options |= _read_url(settings_class, choice.url) if choice.url else {}
            options |= choice.options
        if choice is environment:
            options |= _read_environment(chosen, settings_class, environ)
    return chosen, settings_class.from_options(**options)


def _read_url(settings_class: type[AdapterSettings], url: str) -> dict[str, Any]:
    """The options that a URL gives, checked on their own so that an error speaks of the URL."""
    settings_class.from_url(url)
    parts = split_url(url)
    query = parse_qsl(parts.query, keep_blank_values=True)
    return {**settings_class.read_address(parts), **dict(query)}


def _read_environment(
    spec: AdapterSpec, settings_class: type[AdapterSettings], environ: Mapping[str, str]
) -> dict[str, str]:
    """Single options, such as `FLOWCRAFT_SQLITE_LEASE_SECONDS`; an error names the variable."""
    prefix = f"FLOWCRAFT_{spec.name.upper()}_"
    options = {}
    for variable, value in environ.items():
        if variable.startswith(prefix):
            name = variable.removeprefix(prefix).lower()
            try:
                settings_class.from_options(**{name: value})
            except SettingsError as error:
                raise SettingsError(f"{variable}: {error}") from error
            options[name] = value
    return options
