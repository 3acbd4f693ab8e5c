"""Joins that fire early, late, twice or never."""

from __future__ import annotations

from tests.planted.bug import bug

CONSEQUENCES = "flowcraft.engine.consequences"

early_join = bug(
    "an `all` join fires with its first arrival",
    (f"{CONSEQUENCES}:decide", "members < arrival.need:", "members < 1:"),
    rejected_by="JoinScenarios.test_an_all_join_takes_every_edge_that_was_taken",
)

lost_skip = bug(
    "an edge that is not taken does not arrive, and a join waits for it for ever",
    (f"{CONSEQUENCES}:consequences", "for index in record.skipped:", "for index in ():"),
    rejected_by="JoinScenarios.test_an_all_join_does_without_a_branch_that_was_not_taken",
)

two_winners = bug(
    "everybody who asks for a coordination key is told that it won",
    (
        "flowcraft.local.coordination:LocalCoordinationStore.set_if_not_exist",
        "return False",
        "return True",
    ),
    rejected_by="CoordinationContract.test_set_if_not_exist_has_one_winner",
    on="sqlite",
)
