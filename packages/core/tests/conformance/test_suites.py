"""The classes of the kit reach every adapter, and no check hides another."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections import Counter

import pytest

from flowcraft.testing import Contracts, Faults, Scenarios, contracts, faults, scenarios


@pytest.mark.parametrize(
    ("folder", "suite"), [(contracts, Contracts), (faults, Faults), (scenarios, Scenarios)]
)
def test_every_class_of_a_folder_is_in_its_suite(folder: object, suite: type) -> None:
    written = {
        found
        for module in pkgutil.iter_modules(folder.__path__)
        for name, found in vars(importlib.import_module(f"{folder.__name__}.{module.name}")).items()
        if inspect.isclass(found)
        and found.__module__ == f"{folder.__name__}.{module.name}"
        and any(attribute.startswith("test_") for attribute in vars(found))
    }
    assert {found.__name__ for found in written - set(suite.__mro__)} == set()


@pytest.mark.parametrize("suite", [Contracts, Faults, Scenarios])
def test_no_two_checks_of_a_suite_have_one_name(suite: type) -> None:
    names = Counter(
        name for base in suite.__mro__ for name in vars(base) if name.startswith("test_")
    )
    assert [name for name, count in names.items() if count > 1] == []
