"""Expressions with functions of an application, and those that may use comprehensions."""

from __future__ import annotations

import pytest

from flowcraft.expressions import Expressions
from packages.core.tests.expressions.evaluating import explode, rate


@pytest.fixture
def expressions() -> Expressions:
    return Expressions(functions={"rate": rate, "explode": explode})


@pytest.fixture
def trusting() -> Expressions:
    return Expressions(allow_comprehensions=True)
