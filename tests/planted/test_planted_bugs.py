"""Each planted bug is rejected, and by the very check that is there for it."""

from __future__ import annotations

import pytest

from tests.planted.bugs import BUGS
from tests.planted.plant import node_id, try_bug


def test_there_are_forty_planted_bugs_at_least():
    assert len(BUGS) >= 40


@pytest.mark.parametrize("name", BUGS)
def test_the_check_that_is_there_for_it_rejects_a_bug(name: str) -> None:
    bug = BUGS[name]
    verdict = try_bug(bug)
    wanted = node_id(bug).partition("[")[0]
    assert verdict.other == []
    assert any(failed.partition("[")[0] == wanted for failed in verdict.failed), (
        f"{bug.rejected_by} passes although {bug.what}"
    )
