"""Queues and coordination keys that lose, repeat, or give away what is held."""

from __future__ import annotations

from tests.planted.bug import bug

COORDINATION = "flowcraft.local.coordination"
QUEUE = "flowcraft.local.queue:LocalQueue"
TABLES = "flowcraft.memory.tables:MemoryTables"

two_winners = bug(
    "everybody who asks for a coordination key is told that it won",
    (f"{COORDINATION}:LocalCoordinationStore.set_if_not_exist", "return False", "return True"),
    rejected_by="CoordinationContract.test_set_if_not_exist_has_one_winner",
    on="sqlite",
)

counter_that_counts_twice = bug(
    "a number is raised by two",
    (f"{COORDINATION}:LocalCoordinationStore.increment", '"0") + 1', '"0") + 2'),
    rejected_by="CoordinationContract.test_increments_of_several_workers_leave_no_hole",
)

expiry_ignored = bug(
    "a key whose time is over is still there",
    (f"{COORDINATION}:_live", "return value if expires_at is None or now < expires_at else None",
     "return value"),
    rejected_by="CoordinationContract.test_an_expired_key_is_absent_at_once_to_every_method",
)  # fmt: skip

expires_though_alive = bug(
    "a key without time to live expires after an hour",
    (f"{COORDINATION}:LocalCoordinationStore._expiry", "return None if ttl_seconds is None else "
     "self._clock.now() + ttl_seconds", "return self._clock.now() + (ttl_seconds or 3600.0)"),
    rejected_by="CoordinationContract.test_a_key_without_ttl_never_expires",
)  # fmt: skip

extension_adds = bug(
    "extending a key changes nothing",
    (f"{COORDINATION}:LocalCoordinationStore.extend_ttl", "db.put_key(key, value, expires_at)",
     "pass"),
    rejected_by="CoordinationContract.test_extend_ttl_counts_from_now",
)  # fmt: skip

lease_not_checked = bug(
    "a message that is held is given to the next one who asks",
    (f"{TABLES}.take_jobs", "job.visible_at = lease_until", "pass"),
    rejected_by="QueueContract.test_two_receivers_never_hold_one_message",
)

released_message_is_as_new = bug(
    "a message that came back after a lease does not say so once it was released",
    (f"{TABLES}.take_jobs", "job.was_lost = job.was_lost or job.is_leased",
     "job.was_lost = job.is_leased"),
    rejected_by="QueueContract.test_a_message_that_came_back_says_so_also_after_it_was_released",
)  # fmt: skip

redelivery_not_told = bug(
    "a message that comes back looks like a new one",
    (f"{TABLES}.take_jobs", "job.body, job.was_lost)", "job.body, False)"),
    rejected_by="QueueContract.test_a_message_comes_back_when_its_holder_is_gone",
)

hand_back_counts = bug(
    "a message that was handed back counts as redelivered",
    (f"{TABLES}.release_job", "job.is_leased = False", "pass"),
    rejected_by="QueueContract.test_a_message_that_was_released_comes_at_once",
)

delay_ignored = bug(
    "a delayed message comes at once",
    (f"{QUEUE}.send", "now + outgoing.delay_seconds", "now"),
    rejected_by="QueueContract.test_a_delayed_message_is_never_early_and_comes",
)

extension_forgotten = bug(
    "an extension is answered and not made",
    (f"{TABLES}.extend_job", "job.visible_at = until", "pass"),
    rejected_by="QueueContract.test_an_extension_starts_the_lease_anew",
)

cancelled_take_is_lost = bug(
    "what a cancelled receive took stays with nobody until its lease ends",
    (f"{QUEUE}._take", "await self.release(taken, 0.0)", "await self.ack(taken)"),
    rejected_by="QueueContract.test_a_receive_that_is_cancelled_loses_nothing",
    on="sqlite",
)

dead_letter_dropped = bug(
    "a message that nobody can handle is thrown away",
    (f"{TABLES}.bury_job", "self._letters[letter.id] = letter", "pass"),
    rejected_by="QueueContract.test_a_buried_message_is_kept_with_its_reason",
)

more_than_asked_for = bug(
    "a receive takes all there is",
    (f"{TABLES}.take_jobs", "if len(taken) >= limit:", "if False:"),
    rejected_by="QueueContract.test_no_more_is_taken_than_was_asked_for",
)

timer_early = bug(
    "timers are due a minute before their time",
    (f"{TABLES}.due_timers", "t.due_at <= now", "t.due_at <= now + 60"),
    rejected_by="TimersContract.test_a_timer_is_due_when_its_time_has_come",
)

timer_promoted_for_ever = bug(
    "a timer is not cleared when its job was sent",
    (f"{TABLES}.clear_timer", "timer.due_at == due_at", "False"),
    rejected_by="TimersContract.test_what_is_due_is_sent_by_some_worker_in_time",
)

moved_timer_is_cleared = bug(
    "clearing a timer clears the one that was set in its place",
    (f"{TABLES}.clear_timer", "timer.due_at == due_at", "True"),
    rejected_by="TimersContract.test_a_timer_that_was_moved_is_not_cleared",
)

timer_cleared_before_it_is_sent = bug(
    "a timer is cleared before its job is on the queue",
    (
        "flowcraft.adapter.sweeper:Sweeper.promote_timers",
        "await parts.ports.queue.send([Outgoing(timer.job) for timer in due])\n"
        "        await parts.ports.store.clear_timers(due)",
        "await parts.ports.store.clear_timers(due)\n"
        "        await parts.ports.queue.send([Outgoing(timer.job) for timer in due])",
    ),
    rejected_by="TimersContract.test_a_timer_survives_the_worker_that_was_about_to_send_it",
)
