"""Queues that take one message for another, a batch for one, or lose what comes too often."""

from __future__ import annotations

from tests.planted.bug import bug

QUEUE = "flowcraft.local.queue:LocalQueue"
TABLES = "flowcraft.memory.tables:MemoryTables"

equal_messages_are_one = bug(
    "a message is dropped while an equal one is on the queue",
    (f"{TABLES}.insert_job", "self._last_job += 1",
     "if any(job.body == body for job in self.jobs.values()):\n        return\n"
     "    self._last_job += 1"),
    rejected_by="HoldingContract.test_messages_that_are_equal_are_messages_of_their_own",
)  # fmt: skip

equal_message_is_acked_along = bug(
    "an acknowledgement removes all messages with the same body",
    (f"{TABLES}.delete_job", "del self.jobs[id_]",
     "for other in [o.id for o in self.jobs.values() if o.body == job.body]:\n"
     "        del self.jobs[other]"),
    rejected_by="HoldingContract.test_messages_that_are_equal_are_messages_of_their_own",
)  # fmt: skip

equal_message_is_put_off = bug(
    "a message that is sent with a delay delays an equal one that waits",
    (f"{TABLES}.insert_job", "self._last_job += 1",
     "for job in self.jobs.values():\n        if job.body == body and not job.is_leased:\n"
     "            job.visible_at = visible_at\n            return\n    self._last_job += 1"),
    rejected_by="HoldingContract.test_a_message_that_is_delayed_keeps_no_equal_one_back",
)  # fmt: skip

ack_up_to_a_message = bug(
    "an acknowledgement is one of all that were taken before, as in a log",
    (f"{TABLES}.delete_job", "del self.jobs[id_]",
     "for other in [o.id for o in self.jobs.values() if o.is_leased and o.id <= id_]:\n"
     "        del self.jobs[other]"),
    rejected_by="HoldingContract.test_an_acknowledgement_takes_no_other_message_along",
)  # fmt: skip

late_release_frees = bug(
    "who lost a lease gives back the message that another one holds",
    (f"{TABLES}.release_job", "job is not None and job.token == token", "job is not None"),
    rejected_by="HoldingContract.test_who_lost_a_lease_gives_nothing_back",
)

batch_ends_at_a_lost_lease = bug(
    "what stands behind a lost message in a batch is not acknowledged",
    (f"{QUEUE}.ack", "db.delete_job(*delivery.handle)",
     "if not db.delete_job(*delivery.handle):\n                break"),
    rejected_by="HoldingContract.test_each_message_of_a_batch_is_answered_by_itself",
)  # fmt: skip

ten_are_extended = bug(
    "one request extends ten messages, and the others are said to be",
    (f"{QUEUE}.extend", "db.extend_job(id_, token, until) for id_, token in "
     "(d.handle for d in deliveries)",
     "n >= 10 or db.extend_job(id_, token, until) for n, (id_, token) in "
     "enumerate(d.handle for d in deliveries)"),
    rejected_by="HoldingContract.test_each_of_many_messages_is_held_longer_by_an_extension",
)  # fmt: skip

lease_begins_with_the_wait = bug(
    "a lease counts from when its holder began to wait for a message",
    (f"{QUEUE}.receive", "idle = self._idle\n    if",
     "self._began = self._clock.now()\n    idle = self._idle\n    if"),
    (f"{QUEUE}._take", "until = now +", "until = self._began +"),
    rejected_by="HoldingContract.test_a_lease_counts_from_when_the_message_came",
)  # fmt: skip

broker_takes_it_for_poison = bug(
    "a message that came five times comes no more",
    (f"{TABLES}.take_jobs", "if job.visible_at <= now:",
     "if job.visible_at <= now and job.token < 5:"),
    rejected_by="HoldingContract.test_a_message_comes_again_however_often_it_came",
)  # fmt: skip

delay_has_a_limit = bug(
    "a delay is cut at fifteen minutes",
    (f"{QUEUE}.send", "now + outgoing.delay_seconds", "now + min(900.0, outgoing.delay_seconds)"),
    rejected_by="HoldingContract.test_the_longest_delay_is_kept",
)

holding_has_a_limit = bug(
    "a message can be held for half an hour only",
    (f"{TABLES}.take_jobs", "job.visible_at = lease_until",
     "job.visible_at = lease_until\n            self.taken = now"),
    (f"{TABLES}.extend_job", "or not job.is_leased:",
     "or not job.is_leased or until - self.taken > 1800:"),
    rejected_by="HoldingContract.test_a_message_is_held_as_long_as_is_declared",
)  # fmt: skip

delay_of_whole_seconds = bug(
    "a delay is rounded down to whole seconds",
    (f"{QUEUE}.send", "outgoing.delay_seconds", "int(outgoing.delay_seconds)"),
    rejected_by="QueueContract.test_a_delayed_message_is_never_early_and_comes",
)

hand_back_of_whole_seconds = bug(
    "the delay of a hand-back is rounded down to whole seconds",
    (f"{QUEUE}.release", "+ delay_seconds", "+ int(delay_seconds)"),
    rejected_by="QueueContract.test_a_message_released_with_a_delay_comes_after_it",
)

held_messages_wait = bug(
    "the depth counts messages that somebody holds",
    (f"{TABLES}.count_jobs", "sum(job.visible_at <= now for job in self.jobs.values())",
     "len(self.jobs)"),
    rejected_by="QueueContract.test_the_depth_tells_whether_messages_wait",
)  # fmt: skip

id_of_a_dropped_letter = bug(
    "a dead letter gets the id of one that was dropped",
    (f"{TABLES}.bury_job", "self._last_letter += 1", "self._last_letter = len(self._letters) + 1"),
    rejected_by="QueueContract.test_a_dead_letter_goes_back_as_a_new_message_or_is_dropped",
)

reason_is_cut = bug(
    "the reason of a dead letter is cut at 255 letters",
    (f"{TABLES}.bury_job", "job.body, reason, at", "job.body, reason[:255], at"),
    rejected_by="QueueContract.test_a_dead_letter_goes_back_as_a_new_message_or_is_dropped",
)

letters_go_in_time = bug(
    "dead letters go after two weeks",
    (f"{QUEUE}.dead_letters", "return await self._transact(lambda db: db.dead_letters(limit))",
     "found = await self._transact(lambda db: db.dead_letters(limit))\n"
     "    return [letter for letter in found if self._clock.now() - letter.at < 14 * 86400]"),
    rejected_by="LastingContract.test_a_dead_letter_is_kept_for_months",
)  # fmt: skip

sent_past_the_wire = bug(
    "messages are sent by requests that do not go through the wire",
    (f"{QUEUE}.send", "await self._transact(step)",
     "from flowcraft.memory.adapter import MemoryBackend\n"
     "    await MemoryBackend.transact(self._transact.__self__, step)"),
    rejected_by="OutagesContract.test_what_the_queue_could_not_be_told_is_an_error",
)  # fmt: skip

unsent_and_nobody_knows = bug(
    "a message that could not be sent is no error",
    (f"{QUEUE}.send", "await self._transact(step)",
     "with contextlib.suppress(BackendError):\n        await self._transact(step)"),
    rejected_by="OutagesContract.test_what_the_queue_could_not_be_told_is_an_error",
)  # fmt: skip

no_answer_is_a_lost_lease = bug(
    "a lease that could not be extended is told to be lost",
    (f"{QUEUE}.extend", "return await self._transact(",
     "with contextlib.suppress(BackendError):\n      return await self._transact("),
    (f"{QUEUE}.extend", "(d.handle for d in deliveries)\n        ]\n    )",
     "(d.handle for d in deliveries)\n        ]\n    )\n    return [False for _ in deliveries]"),
    rejected_by="OutagesContract.test_what_the_queue_could_not_be_told_is_an_error",
)  # fmt: skip
