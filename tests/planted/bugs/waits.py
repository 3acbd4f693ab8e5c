"""Waits, sleeps and webhooks that wake too early, too late, twice or never."""

from __future__ import annotations

from tests.planted.bug import bug

RESUMER = "flowcraft.adapter.signals:Resumer"
SIGNALS = "flowcraft.adapter.signals"
SUSPENSIONS = "flowcraft.adapter.suspensions:Suspensions"

output_of_a_resume_is_lost = bug(
    "a wait gives null whatever it was resumed with",
    (f"{SIGNALS}:_performed", "bytes(signal.output)", 'b"null"'),
    rejected_by="WaitScenarios.test_a_resume_gives_the_wait_its_output",
)

action_of_a_resume_is_lost = bug(
    "the action of a resume chooses no edges",
    (f"{SIGNALS}:_performed", "signal.action", "None"),
    rejected_by="WaitScenarios.test_the_action_of_a_resume_chooses_the_edges",
)

second_kept = bug(
    "a second resume for a node not reached is told that it is kept",
    (f"{RESUMER}._keep", "if not won:", "if False:"),
    rejected_by="WaitScenarios.test_a_resume_for_a_node_not_reached_is_kept_until_it_waits",
)

keeper_does_not_look_again = bug(
    "who keeps a resume does not look whether the wait opened meanwhile",
    (f"{RESUMER}._keep", '[a for a in await self.open_waits(run) if node_id in ("", a.node)]',
     "[]"),
    rejected_by="WaitScenarios.test_a_wait_that_opens_while_its_resume_comes_is_woken",
)  # fmt: skip

waiter_looks_before_it_opens = bug(
    "a wait looks for signals before it says that it is open",
    (f"{SUSPENSIONS}._wait", "opened_at = await open_wait(self._parts, move)\n"
     "    signal = await take_signal(self._parts, move)",
     "signal = await take_signal(self._parts, move)\n"
     "    opened_at = await open_wait(self._parts, move)"),
    rejected_by="WaitScenarios.test_a_resume_that_comes_while_its_wait_opens_is_not_lost",
)  # fmt: skip

woken_scope_keeps_resumes = bug(
    "a resume for a node that was woken in another scope is kept for the next one",
    (f"{RESUMER}.resume", "if not any(wait.is_woken for wait in listed):", "if True:"),
    rejected_by="ScopedWaitScenarios.test_a_click_between_two_iterations_is_refused",
)

one_of_several_waits_is_woken = bug(
    "a resume that names no wait wakes one of several",
    (f"{RESUMER}.resume", "if len(opened) > 1:", "if False:"),
    rejected_by="WaitScenarios.test_several_open_waits_and_no_name_are_listed_in_the_error",
)

resume_of_nobody_is_refused = bug(
    "a resume that names no wait is refused where none is open",
    (f"{RESUMER}.resume", 'return await self._keep(run, "", signal)', 'return "refused"'),
    rejected_by="WaitScenarios.test_a_resume_without_a_node_is_kept_for_the_first_wait_to_open",
)

anybodys_resume_goes_first = bug(
    "a wait takes a resume for anybody before its own",
    (f"{SIGNALS}:take_signal", 'nodes = (move.activation.node, "")',
     'nodes = ("", move.activation.node)'),
    rejected_by="WaitScenarios.test_a_resume_for_a_node_goes_before_one_for_anybody",
)  # fmt: skip

wait_for_ever = bug(
    "a wait has no timeout",
    (f"{SUSPENSIONS}._wait", 'await self._limit(move, self._since(move, opened_at), "was not '
     'resumed")', "pass"),
    rejected_by="WaitScenarios.test_a_wait_with_a_timeout_fails_its_attempt_and_can_be_resumed_in_"
    "the_next",
)  # fmt: skip

timeout_of_the_first_attempt = bug(
    "the timeout of a wait counts from its first attempt in each",
    (f"{SUSPENSIONS}._since", "if move.attempt == 1:", "if True:"),
    rejected_by="WaitScenarios.test_a_wait_with_a_timeout_fails_its_attempt_and_can_be_resumed_in_"
    "the_next",
)

webhook_suspends_in_a_pair = bug(
    "in a pair of webhook and wait, the webhook suspends too",
    (f"{SUSPENSIONS}.run", 'move.kind == "webhook" and move.node.plan.wait is not None', "False"),
    rejected_by="WebhookScenarios.test_in_a_pair_the_wait_suspends_under_either_name",
)

webhook_of_a_pair_is_unknown = bug(
    "a call of a paired webhook goes to the webhook and not to its wait",
    ("flowcraft.engine.waits:waiting_node", "node.plan.wait or node_id", "node_id"),
    rejected_by="WebhookScenarios.test_in_a_pair_the_wait_suspends_under_either_name",
)

sleep_gives_null = bug(
    "a sleep gives null",
    (f"{SUSPENSIONS}._sleep", "return Performed(await self._parts.reader.input_of(move))",
     'return Performed(b"null")'),
    rejected_by="SleepScenarios.test_a_sleep_passes_its_input_on",
)  # fmt: skip

scope_that_cannot_be = bug(
    "a resume for a scope that its node cannot have is kept",
    ("flowcraft.engine.waits:waiting_node", "if scope and not (", "if False and not ("),
    rejected_by="ScopedWaitScenarios.test_a_scope_that_cannot_be_is_an_error_and_keeps_nothing",
)

resume_of_anything = bug(
    "a resume for what is no wait is kept",
    ("flowcraft.engine.waits:waiting_node", "if node is None or not (",
     "if node is None or False and not ("),
    rejected_by="WaitScenarios.test_a_resume_of_what_is_no_wait_is_an_error_and_keeps_nothing",
)  # fmt: skip

item_to_come_is_refused = bug(
    "a resume for an item that does not wait yet wakes nobody",
    (f"{SIGNALS}:take_signal", "if own is not None:", "if own is not None and "
     "not move.is_item:"),
    rejected_by="ScopedWaitScenarios.test_an_item_to_come_keeps_its_resume",
)  # fmt: skip

signalled_wait_counts_as_waiting = bug(
    "a run whose only wait was resumed is said to wait",
    ("flowcraft.client.standing:unrecorded", " and not _is_signalled(move.key, loaded)", ""),
    rejected_by="StatusScenarios.test_a_run_runs_as_soon_as_its_wait_was_resumed",
)

waits_hold_a_worker = bug(
    "a worker stays at a wait until it is resumed",
    ("flowcraft.adapter.mover:Mover._move", "await self._parts.write_down(move)\n"
     "            return Moved()",
     "await self._parts.write_down(move)\n            await self._parts.clock.sleep(50.0)\n"
     "            return await self._move(move, hold=hold, ack=ack)"),
    rejected_by="WaitScenarios.test_a_wait_holds_no_worker",
)  # fmt: skip
