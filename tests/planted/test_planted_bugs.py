"""Each planted bug is rejected, and by the very check that is there for it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.planted.bugs import BUGS
from tests.planted.plant import Planter, node_id


@pytest.fixture(scope="module")
def planter() -> Iterator[Planter]:
    with Planter(list(BUGS.values())) as planter:
        yield planter


def test_there_are_a_hundred_and_fifty_planted_bugs_at_least() -> None:
    assert len(BUGS) >= 150


@pytest.mark.parametrize("name", BUGS)
def test_the_check_that_is_there_for_it_rejects_a_bug(name: str, planter: Planter) -> None:
    bug = BUGS[name]
    verdict = planter.verdict(name)
    wanted = node_id(bug).partition("[")[0]
    assert verdict.other == []
    assert any(failed.partition("[")[0] == wanted for failed in verdict.failed), (
        f"{bug.rejected_by} passes although {bug.what}"
    )
