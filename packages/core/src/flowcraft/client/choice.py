"""Which adapter is used, and with which options.

The command line wins over the environment, and the environment over the application, for a
worker and for a client alike. Options that are given together with an adapter are never given to
another one; those that are given without one go to whichever is used.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from flowcraft.adapters import Adapters, AdapterSettings, AdapterSpec, split_url
from flowcraft.client.settings import APPLICATION, COMMAND_LINE, DEFAULT
from flowcraft.environment import ADAPTER, URL, Environment, option_variable
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


class Choice(NamedTuple):
    """Which adapter is used, and how.

    Attributes:
        spec: The adapter.
        settings: Its options.
        named_by: Who named it.
        origins: Who gave each option.
    """

    spec: AdapterSpec
    settings: AdapterSettings
    named_by: str
    origins: Mapping[str, str]


def resolve(
    application: AdapterChoice,
    *,
    command_line: AdapterChoice | None = None,
    environ: Mapping[str, str] | None = None,
) -> Choice:
    """Decide which adapter is used, and read its settings.

    Raises:
        UnknownAdapterError: It is not installed; says how to install it.
        SettingsError: An option does not exist or does not fit, or a name contradicts its URL.
    """
    environment = Environment(environ)
    variables = AdapterChoice(adapter=environment.adapter, url=environment.url)
    # Each wins over those after it.
    places = [
        (COMMAND_LINE, command_line or AdapterChoice()),
        (f"{ADAPTER} and {URL}", variables),
        (APPLICATION, application),
    ]
    adapters = Adapters()
    chosen: AdapterSpec | None = None
    named_by = DEFAULT
    for place, choice in places:
        if chosen is None:
            chosen = choice.spec(adapters, place)
            if chosen is not None:
                named_by = (URL if choice.url else ADAPTER) if choice is variables else place
    chosen = chosen or adapters.find(DEFAULT_ADAPTER)
    settings_class = chosen.settings_class()
    options: dict[str, Any] = {}
    origins = dict.fromkeys(settings_class.__struct_fields__, DEFAULT)
    for place, choice in reversed(places):
        given: dict[str, Any] = {}
        if choice.is_about(chosen, adapters, place):
            given |= _read_url(settings_class, choice.url) if choice.url else {}
            given |= choice.options
        options |= given
        origins |= dict.fromkeys(given, URL if choice is variables else place)
        if choice is variables:
            single = _read_variables(chosen, settings_class, environment)
            options |= single
            origins |= {name: option_variable(name, chosen.name) for name in single}
    return Choice(chosen, settings_class.from_options(**options), named_by, origins)


def _read_url(settings_class: type[AdapterSettings], url: str) -> dict[str, Any]:
    """The options that a URL gives, checked on their own so that an error speaks of the URL."""
    settings_class.from_url(url)
    parts = split_url(url)
    query = parse_qsl(parts.query, keep_blank_values=True)
    return {**settings_class.read_address(parts), **dict(query)}


def _read_variables(
    spec: AdapterSpec, settings_class: type[AdapterSettings], environment: Environment
) -> dict[str, str]:
    """Single options, such as `FLOWCRAFT_SQLITE_LEASE_SECONDS`; an error names the variable."""
    options = environment.of_adapter(spec.name)
    for name, value in options.items():
        try:
            settings_class.from_options(**{name: value})
        except SettingsError as error:
            raise SettingsError(f"{option_variable(name, spec.name)}: {error}") from error
    return options
