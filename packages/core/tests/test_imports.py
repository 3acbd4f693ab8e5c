"""What is imported when: `import flowcraft` and `flowcraft --help` stay cheap."""

from __future__ import annotations

import subprocess
import sys

import pytest

# Whoever needs one of these imports it where it is used.
HEAVY = (
    "cel",
    "concurrent.futures.process",
    "concurrent.futures.thread",
    "flowcraft.adapter.base",
    "importlib.metadata",
    "multiprocessing",
    "pathlib",
    "pydantic",
    "rich",
    "sqlite3",
    "typer",
    "unittest",
)

ONLY_IMPORT = "import flowcraft"

HELP = """
import contextlib, io, sys
from flowcraft.cli import main
sys.argv = ["flowcraft", "--help"]
with contextlib.redirect_stdout(io.StringIO()) as written, contextlib.suppress(SystemExit):
    main()
assert "worker" in written.getvalue()
"""

RUN = """
import asyncio
import flowcraft
from flowcraft.runtime import FlowRuntime

async def double(n: int) -> int:
    return n * 2

flow = flowcraft.create_flow("flow")
flow.edge(flow.node(double, uses="double", id="a"), flow.node(double, uses="double", id="b"))
result = asyncio.run(FlowRuntime(registry=flow.registry).run(flow.to_blueprint(), 3))
assert result.output == 12
"""


@pytest.mark.parametrize(
    ("code", "needed"),
    [
        pytest.param(ONLY_IMPORT, set(), id="import flowcraft"),
        pytest.param(HELP, {"pathlib", "typer"}, id="flowcraft --help"),
        pytest.param(RUN, set(), id="a run without expressions"),
    ],
)
def test_only_what_is_used_is_imported(code: str, needed: set[str]) -> None:
    unwanted = [name for name in HEAVY if name not in needed]
    asked = f"{code}\nimport sys\nprint([name for name in {unwanted!r} if name in sys.modules])"
    found = subprocess.run(
        [sys.executable, "-c", asked], capture_output=True, text=True, check=True, timeout=60
    )
    assert found.stdout.strip() == "[]"
