"""What the kit adds to pytest: one option, and readable assertions.

It is found by its entry point wherever flowcraft is installed, and imports nothing of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

PACKAGE = "flowcraft.testing"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of the kit."""
    group = parser.getgroup("flowcraft", "the conformance kit of Flowcraft")
    group.addoption(
        "--all-crash-points",
        action="store_true",
        help="stop the worker before and after every call on the wire, not at a sample of them",
    )
    group.addoption(
        "--crash-seed", type=int, default=1, help="which sample of the crash points is taken"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Let pytest explain the assertions of the kit."""
    import pytest

    config.addinivalue_line("markers", "slow: takes more than a few seconds")
    pytest.register_assert_rewrite(PACKAGE)
