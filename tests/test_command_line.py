"""What the programs behind `./dev` say to what they cannot do."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

from tests.chaos import run as chaos
from tests.simulation import run as simulation
from tests.tutorial import extract


@pytest.mark.parametrize("text", ["0", "-3", "x", "1.5", ""])
@pytest.mark.parametrize(
    ("main", "option"),
    [
        (simulation.main, "--graphs"),
        (simulation.main, "--processes"),
        (chaos.main, "--runs"),
        (chaos.main, "--workers"),
    ],
)
def test_a_number_of_none_at_all_is_refused(
    main: Callable[[], int], option: str, text: str, monkeypatch, capsys
):
    monkeypatch.setattr(sys, "argv", ["run", f"{option}={text}"])
    with pytest.raises(SystemExit) as refused:
        main()
    assert refused.value.code == 2
    said = capsys.readouterr().err
    assert f"argument {option}: {text!r} is not a whole number of 1 or more" in said


def test_a_checkpoint_that_the_tutorial_lacks_is_answered_with_those_it_has(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(sys, "argv", ["extract", str(tmp_path), "--until", "stage-1"])
    with pytest.raises(SystemExit):
        extract.main()
    assert "no checkpoint 'stage-1'; the page has four-methods, native" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
