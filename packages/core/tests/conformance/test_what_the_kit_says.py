"""What the kit says to who uses it wrongly, or asks for what it has not."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[4]
MODULE = """
import pytest
from flowcraft.memory.adapter import MemoryAdapter
from flowcraft.testing import Contracts, CrashAtEveryStep, Faults, Scenarios, Wire
from packages.core.tests.conformance.harnesses import MemoryHarness

class Heard(MemoryHarness):
    pass

class Unheard(MemoryHarness):
    def adapter(self, options, wire):
        return super().adapter(options, Wire())

class WithoutSpec(MemoryHarness):
    spec = None

class WithoutAdapter(MemoryHarness):
    def adapter(self, options, wire):
        return None

@pytest.fixture
def harness():
    return {harness}()

class TestContracts(Contracts): pass
class TestScenarios(Scenarios): pass
class TestCrashes(CrashAtEveryStep): pass
class TestFaults(Faults): pass
"""
DEATHS = "TestCrashes and any_call_changes_no_outcome and chain"
ORDERS = "TestFaults and no_order and chain"


def kit(folder: Path, *options: str, checks: str = DEATHS, harness: str = "Heard") -> str:
    """What pytest prints when it runs some checks of the kit on a harness."""
    (folder / "test_it.py").write_text(MODULE.replace("{harness}", harness))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_it.py"]
    ran = subprocess.run(
        [*command, "-k", checks, *options],
        cwd=folder,
        env={"PYTHONPATH": f"{ROOT}:{ROOT / 'packages' / 'core' / 'src'}", "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    return ran.stdout + ran.stderr


@pytest.mark.parametrize("text", ["nonsense", "12:sideways", "-1:after", ":after", ""])
def test_a_crash_point_that_is_none_is_refused(tmp_path: Path, text: str):
    said = kit(tmp_path, f"--crash-point={text}")
    assert f"argument --crash-point: {text!r} is no place of a fault. Write it as" in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("checks", "text", "places"),
    [(DEATHS, "9999:after", "1:before to 15:after"), (ORDERS, "99", "3 to 5")],
)
def test_a_crash_point_that_a_case_lacks_fails_it_and_says_which_it_has(
    tmp_path: Path, checks: str, text: str, places: str
):
    said = kit(tmp_path, "--crash-point", text, checks=checks)
    assert f"--crash-point {text}: the " in said
    assert f" of 'chain' come at {places}." in said
    assert "Traceback" not in said


def test_one_crash_point_is_tried_and_every_call_is_printed(tmp_path: Path):
    said = kit(tmp_path, "--crash-point", "12:after", "-s")
    assert "deaths, heard: 1 of 30, wrong 0: chain 1/30" in said
    assert re.search(r"^12 \w+ Local", said, re.MULTILINE)


@pytest.mark.parametrize(
    ("harness", "checks", "complaint"),
    [
        ("Unheard", DEATHS, "no request passed `Wire.call`"),
        ("Unheard", "TestFaults and every_message_twice and chain", "no request passed"),
        ("Unheard", "TestScenarios and comes_while_its_wait_opens", "no request passed"),
        ("WithoutSpec", DEATHS, "WithoutSpec.spec is not set"),
        ("WithoutAdapter", DEATHS, "WithoutAdapter.adapter gave None, and not an adapter"),
    ],
)
def test_what_a_harness_lacks_is_named(tmp_path: Path, harness: str, checks: str, complaint: str):
    said = kit(tmp_path, checks=checks, harness=harness)
    assert f"Error: {complaint}" in said
    # Nothing passes, and nothing is waited for without end.
    assert set(said.split()[0]) == {"F"}
