"""The planted bugs, by what they break; `BUGS` has all of them by name."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator

from tests.planted.bug import Bug


def _written() -> Iterator[tuple[str, Bug]]:
    for module in pkgutil.iter_modules(__path__, f"{__name__}."):
        for name, found in vars(importlib.import_module(module.name)).items():
            if isinstance(found, Bug):
                yield name, found


_all = list(_written())

BUGS: dict[str, Bug] = dict(_all)
"""By name; a name is used once."""

assert len(BUGS) == len(_all), "two bugs have one name"
