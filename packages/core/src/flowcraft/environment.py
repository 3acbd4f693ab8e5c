"""What the environment says: the only place that reads variables of Flowcraft's own.

FLOWCRAFT_ADAPTER, FLOWCRAFT_URL   which adapter, and where it connects
FLOWCRAFT_<OPTION>                 an option of workers, such as FLOWCRAFT_CONCURRENCY
FLOWCRAFT_<ADAPTER>_<OPTION>       an option of one adapter: FLOWCRAFT_SQLITE_LEASE_SECONDS

An empty variable says nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Final

PREFIX: Final = "FLOWCRAFT_"
ADAPTER: Final = f"{PREFIX}ADAPTER"
URL: Final = f"{PREFIX}URL"


class Environment:
    """The variables of one process that are meant for Flowcraft.

    Args:
        environ: All variables; those of the process if not given.
    """

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        environ = os.environ if environ is None else environ
        self._variables = {
            name: value for name, value in environ.items() if name.startswith(PREFIX) and value
        }

    @property
    def adapter(self) -> str | None:
        """The adapter that it names."""
        return self._variables.get(ADAPTER)

    @property
    def url(self) -> str | None:
        """The URL that it gives."""
        return self._variables.get(URL)

    def of_adapter(self, adapter: str) -> dict[str, str]:
        """The options that it gives to an adapter, known or not."""
        prefix = option_variable("", adapter)
        return {
            name.removeprefix(prefix).lower(): value
            for name, value in self._variables.items()
            if name.startswith(prefix)
        }

    def of_application(self, options: Iterable[str]) -> dict[str, str]:
        """Those of an application's options that it gives."""
        named = {option: self._variables.get(option_variable(option)) for option in options}
        return {option: value for option, value in named.items() if value is not None}

    def unknown(self, known: Iterable[str]) -> dict[str, str | None]:
        """Variables that nobody reads, each with the known one that was perhaps meant."""
        names = {ADAPTER, URL, *known}
        found: dict[str, str | None] = {}
        for name in sorted(self._variables.keys() - names):
            near = get_close_matches(name, names, n=1, cutoff=0.8)
            found[name] = near[0] if near else None
        return found


def option_variable(option: str, adapter: str = "") -> str:
    """The variable that gives an option, of an adapter or of the application."""
    return f"{PREFIX}{adapter}_{option}".upper() if adapter else f"{PREFIX}{option}".upper()
