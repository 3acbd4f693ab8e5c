"""What only messages out of order, answers that are errors, or a count of requests bring out."""

from __future__ import annotations

from tests.planted.bug import bug

HANDLER = "flowcraft.adapter.handler:Handler"
PORTS = "flowcraft.adapter.ports:Ports"
TABLES = "flowcraft.memory.tables:MemoryTables"

edges_are_counted_up_to_the_latest = bug(
    "an edge that was overtaken by one of a larger name is taken for one that came before",
    (f"{TABLES}.insert_member", "if member not in found.members:",
     "if not found.members or member > max(found.members):"),
    rejected_by="AnyOrder.test_no_order_of_the_messages_changes_an_outcome[nested_loop]",
)  # fmt: skip

error_is_acknowledged = bug(
    "a message is acknowledged whose worker met an error of the backend",
    ("flowcraft.adapter.worker:WorkerLoops._handle",
     "await self._give_back(holding, RETRY_SECONDS)",
     "await self._parts.ports.ack(holding.delivery)"),
    rejected_by="AmbiguousAnswers.test_an_error_at_any_call_changes_no_outcome[chain]",
)  # fmt: skip

record_that_is_found_is_not_followed = bug(
    "what follows from a record whose commit was answered by an error is not drawn again",
    (f"{HANDLER}.handle", "return await self._repeat(run, activation, record)", 'return "ack"'),
    rejected_by="AmbiguousAnswers.test_an_error_at_any_call_changes_no_outcome[branches]",
    on="split",
)

join_is_read_for_each_arrival = bug(
    "whenever an edge arrives, the record of its target is read",
    (f"{PORTS}._compose", "if wanted.is_repeat:", "if decided:"),
    rejected_by="WireBudgets.test_a_join_costs_no_more_than_declared",
    on="split",
)

edges_arrive_one_by_one = bug(
    "each edge of a record arrives in a request of its own",
    (f"{PORTS}._arrive",
     "answers = await self.propagate(Propagation(wanted.run_id, wanted.cells, tuple(arriving)))",
     "answers = []\n    for one in arriving:\n"
     "        answers += await self.propagate(Propagation(wanted.run_id, wanted.cells, (one,))) "
     "or ()"),
    rejected_by="WireBudgets.test_a_branch_of_a_fan_costs_no_more_than_declared",
    on="split",
)  # fmt: skip

items_are_sent_one_by_one = bug(
    "each job is sent in a request of its own",
    (f"{PORTS}._compose", "await self.send_all(sends)",
     "for one in sends:\n        await self.send_all([one])"),
    rejected_by="WireBudgets.test_an_item_of_a_batch_costs_no_more_than_declared",
    on="split",
)  # fmt: skip

toy_drops_its_work_with_one_request = bug(
    "what is handled is given up when the next message cannot be asked for",
    ("tests.four_method.adapter:FourMethodAdapter.process_jobs",
     "with suppress(BackendUnavailableError):", "if True:"),
    rejected_by="DeliveryScenarios"
    ".test_a_message_is_held_on_after_a_moment_without_the_backend",
    on="four_method",
)  # fmt: skip
