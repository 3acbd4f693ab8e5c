"""The program as a whole: its commands, its help, and what it costs to start."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from flowcraft.cli.program import program

README = Path(__file__).parents[4] / "README.md"
COMMANDS = typer.main.get_command(program).commands

HEAVY = ("flowcraft.adapter.base", "flowcraft.cli.live", "flowcraft.sqlite", "flowcraft.worker",
         "common_expression_language", "rich.live", "sqlite3")  # fmt: skip


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_and_each_of_its_options_say_what_they_are_for(name):
    command = COMMANDS[name]
    first, _, _ = (command.help or "").partition("\n")
    assert first.endswith(".")
    assert len(first) <= 45, "the list of commands cuts it"
    silent = [one.name for one in command.params if not getattr(one, "help", None)]
    assert silent == (["supervised"] if name == "worker" else [])


def test_the_list_of_commands_cuts_none_of_them_short(flowcraft):
    found = flowcraft("--help")
    for name in COMMANDS:
        assert re.search(rf"^  {name} +\S.*\.$", found.stdout, re.MULTILINE), name
    assert "..." not in found.stdout.partition("Commands:")[2]


def test_the_readme_names_every_command_and_no_other():
    lines = re.findall(r"^ {4}flowcraft ([a-z-]+)", README.read_text(), re.MULTILINE)
    assert set(lines) == COMMANDS.keys()


def test_the_help_imports_nothing_that_only_a_command_needs():
    script = f"import sys, flowcraft.cli; print([one for one in {HEAVY} if one in sys.modules])"
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert found.stdout == "[]\n", found.stderr
