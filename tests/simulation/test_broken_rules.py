"""For each rule of the protocol: kept, nothing is wrong; broken, the simulation finds it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from tests.simulation import broken_marks as marks
from tests.simulation import broken_rules as broken
from tests.simulation import rule_cases as cases
from tests.simulation.broken_rules import Patch
from tests.simulation.judge import simulate
from tests.simulation.setup import Ended, Setup

RULES = 17
Judge = Callable[[Ended | None, list[str]], list[str]]


def as_found(ended: Ended | None, problems: list[str]) -> list[str]:
    """Take what the simulation found."""
    return problems


def as_a_killer(ended: Ended | None, problems: list[str]) -> list[str]:
    """Ask only that the run failed for its killer; the interpreter knows of no death."""
    if ended is None or ended.observed is None:
        return problems
    kinds = [error["type"] for error in ended.observed.errors]
    return [] if kinds == ["DeliveryLimitError"] else [f"the run failed with {kinds}"]


@dataclass(frozen=True)
class Rule:
    """A rule, how it is broken, and the runs in which that matters."""

    number: int
    broken: Callable[[], Patch]
    setups: Callable[[], Iterator[Setup]]
    judge: Judge = as_found

    def __str__(self) -> str:
        return f"rule {self.number}: {self.broken.__name__}"

    def wrong(self, setup: Setup) -> list[str]:
        return self.judge(*simulate(setup))


BROKEN = [
    Rule(1, broken.commits_after_the_end, cases.rule_1),
    Rule(2, broken.repeats_send_what_is_recorded, cases.rule_2_doubling),
    Rule(2, broken.repeats_stop_at_records, cases.rule_2_chain),
    Rule(3, broken.the_beaten_acknowledge, cases.rule_3),
    Rule(3, broken.the_beaten_trust_another_message, cases.rule_3_followed),
    Rule(4, broken.members_before_slots, cases.rule_4),
    Rule(4, broken.jobs_before_members, cases.rule_4),
    Rule(5, broken.skips_from_an_earlier_look, cases.rule_5),
    Rule(6, broken.any_joins_start_once, cases.rule_6),
    Rule(7, broken.lanes_are_a_counter, cases.rule_7),
    Rule(8, marks.children_start_unseen, cases.rule_8),
    Rule(9, marks.sleeps_begin_anew, cases.rule_9_sleep),
    Rule(9, marks.failures_take_the_next_number, cases.rule_9_attempts),
    Rule(10, marks.waiters_read_before_they_open, cases.rule_10_early),
    Rule(10, marks.early_signals_are_not_claimed, cases.rule_10_claim),
    Rule(11, marks.deaths_are_not_counted, cases.rule_11_deaths, as_a_killer),
    Rule(11, marks.hand_backs_are_counted, cases.rule_11_hand_backs),
    Rule(12, marks.messages_go_before_their_timers, cases.rule_12),
    Rule(13, broken.failures_end_the_run_later, cases.rule_13),
    Rule(14, broken.sinks_are_expected_later, cases.rule_14),
    Rule(14, broken.ends_do_not_see_what_began, cases.rule_14_end),
    Rule(15, broken.members_are_a_counter, cases.rule_15),
    Rule(16, broken.own_records_are_not_known, cases.rule_16),
    Rule(17, broken.writes_make_their_run, cases.rule_17),
]


def test_every_rule_is_broken_somewhere() -> None:
    assert {rule.number for rule in BROKEN} == set(range(1, RULES + 1))


@pytest.mark.parametrize("rule", BROKEN, ids=str)
def test_the_simulation_finds_out_who_breaks(rule: Rule) -> None:
    setups = list(rule.setups())
    for setup in setups:
        assert rule.wrong(setup) == [], f"{rule} is kept, and {setup.plan} is wrong"
    with rule.broken():
        for runs, setup in enumerate(setups, start=1):
            problems = rule.wrong(setup)
            if problems:
                print(f"{rule}: found after {runs} of {len(setups)} runs: {problems[0]}")
                return
    pytest.fail(f"{rule}: broken, and {len(setups)} runs found nothing wrong")


@pytest.mark.parametrize("first", range(0, 400, 100))
def test_without_a_lost_message_nobody_needs_a_sweeper(first: int) -> None:
    wrong = {}
    for seed in range(first, first + 100):
        problems = simulate(cases.without_sweeper(seed))[1]
        if problems:
            wrong[seed] = problems
    assert wrong == {}
