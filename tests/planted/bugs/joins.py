"""Joins that fire early, late, twice or never, and skips that get lost."""

from __future__ import annotations

from tests.planted.bug import bug

CONSEQUENCES = "flowcraft.engine.consequences"
TABLES = "flowcraft.memory.tables:MemoryTables"
STEPS = "flowcraft.local.steps"

early_join = bug(
    "an `all` join fires with its first arrival",
    (f"{CONSEQUENCES}:decide", "members < arrival.need:", "members < 1:"),
    rejected_by="JoinScenarios.test_an_all_join_does_not_start_before_its_last_edge",
)

lost_skip = bug(
    "an edge that is not taken does not arrive, and a join waits for it for ever",
    (f"{CONSEQUENCES}:consequences", "for index in record.skipped:", "for index in ():"),
    rejected_by="JoinScenarios.test_an_all_join_does_without_a_branch_that_was_not_taken",
)

skipped_join_runs = bug(
    "a join all of whose edges were skipped runs all the same",
    (f"{CONSEQUENCES}:decide", 'return "ready" if taken else "skip"', 'return "ready"'),
    rejected_by="JoinScenarios.test_a_join_all_of_whose_edges_were_skipped_is_skipped",
)

skip_starts_an_any_join = bug(
    "an `any` join is skipped with its first skipped edge",
    (f"{CONSEQUENCES}:decide", "members >= arrival.need and not taken", "not taken"),
    rejected_by="JoinScenarios.test_an_any_join_passes_over_what_was_skipped",
)

any_join_waits_for_all = bug(
    "an `any` join waits for all of its edges",
    (f"{CONSEQUENCES}:decide", "if winner is not None:", "if members >= arrival.need:"),
    rejected_by="JoinScenarios.test_an_any_join_starts_with_the_first_edge_and_later_ones_"
    "change_nothing",
)

later_edge_wins = bug(
    "the last edge that arrives wins an `any` join",
    (f"{STEPS}:_arrive", "winner = held.decode() if held is not None else None",
     "winner = arrival.member"),
    rejected_by="ArrivalsContract.test_the_first_edge_taken_wins_an_any_join",
)  # fmt: skip

double_count = bug(
    "an edge that arrives twice counts twice",
    (f"{TABLES}.insert_member", "if member not in found.members:", "if True:"),
    (f"{TABLES}.insert_member", "return len(found.members), found.taken",
     "return found.taken, found.taken"),
    rejected_by="ArrivalsContract.test_an_edge_counts_once_however_often_it_arrives",
)  # fmt: skip

member_before_value = bug(
    "an edge is counted before the value that it carries is there",
    (
        "flowcraft.adapter.contract_store:ContractStore._propagate",
        "if arrival.value is not None:",
        "if arrival.value is not None and arrival.need == 0:",
    ),
    rejected_by="ArrivalsContract.test_no_edge_is_there_without_the_value_that_it_carries",
    on="four_method",
)

member_twice = bug(
    "the log of a set takes a member again that it has",
    (
        "flowcraft.ports.contract:CoordinationStore.add_member",
        "present = present or held == mine",
        "present = False",
    ),
    rejected_by="CoordinationContract.test_a_member_counts_once_however_often_it_comes",
    on="four_method",
)

skip_is_followed_no_further = bug(
    "the edges of a skipped node do not arrive",
    ("flowcraft.engine.routing:skip_record", "skipped=tuple(edge.index for edge in edges),", ""),
    rejected_by="JoinScenarios.test_skips_travel_to_the_end_and_hold_nobody_up",
)

scopes_share_a_join = bug(
    "a join in a loop counts the arrivals of all iterations",
    (f"{CONSEQUENCES}:edge_arrival", "Arrival(edge.target + scope,",
     "Arrival(edge.target + (scope if edge.need == 1 else '/0'),"),
    rejected_by="LoopScenarios.test_a_join_in_a_body_counts_its_own_iteration_only",
)  # fmt: skip
