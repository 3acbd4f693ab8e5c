"""Processes, settings, signals and files: what a worker is told, and what it must not touch."""

from __future__ import annotations

from tests.planted.bug import bug

TESTS = "packages/core/tests"

the_environment_wins = bug(
    "an option of the environment wins over the command line",
    ("flowcraft.client.settings:resolve_work", "if value is not None:",
     "if value is not None and name not in options:"),
    rejected_by=f"{TESTS}/client/test_settings.py"
    "::test_the_command_line_wins_over_the_environment_and_this_over_the_application",
)  # fmt: skip

a_second_signal_is_swallowed = bug(
    "a second signal does nothing while a worker drains",
    ("flowcraft.worker.signals:_StopAll.__call__", "self._restore()", "pass"),
    rejected_by=f"{TESTS}/client/test_worker_signals.py"
    "::test_a_second_signal_does_what_it_did_before",
)

network_files_are_opened = bug(
    "a file on a network file system is opened",
    ("flowcraft.sqlite.settings:refuse_network_filesystem", "if is_network_filesystem(kind):",
     "if False:"),
    rejected_by=f"{TESTS}/sqlite/test_refusals.py"
    "::test_a_network_filesystem_is_refused_unless_it_is_allowed",
)  # fmt: skip

the_next_version_is_opened = bug(
    "a file of the next version is opened",
    ("flowcraft.sqlite.schema:refuse_newer", "if version > VERSION:", "if version > VERSION + 1:"),
    rejected_by=f"{TESTS}/sqlite/test_refusals.py::test_a_newer_file_is_refused_and_not_touched",
)

removed_files_are_written = bug(
    "a file that was removed is written on",
    ("flowcraft.sqlite.presence:Presence.check", "if _identity(path) != identity:",
     "if False:"),
    rejected_by=f"{TESTS}/bad_days/test_file_under_workers.py"
    "::test_a_file_that_is_spoilt_takes_no_more_runs_and_the_worker_says_why[remove-"
    "flow.db was removed or replaced]",
)  # fmt: skip

closing_leaves_what_computes = bug(
    "a process that computes outlives the pool that was closed",
    ("flowcraft.nodes.processes:ProcessPool.close", "_end_all(children)",
     "_end_all(self._idle)"),
    ("flowcraft.nodes.processes:_Child.join", "self._thread.join()", "pass"),
    rejected_by=f"{TESTS}/nodes/test_processes.py::test_closing_ends_what_still_computes",
)  # fmt: skip

a_dead_process_is_any_error = bug(
    "an attempt whose process died does not say so by the type of its error",
    ("flowcraft.nodes.processes:_Child._work", "NodeProcessError(self._why_it_died())",
     "RuntimeError(self._why_it_died())"),
    rejected_by=f"{TESTS}/nodes/test_processes.py"
    "::test_a_process_that_dies_fails_the_attempt_and_says_how",
)  # fmt: skip

a_blocked_loop_has_no_node = bug(
    "the log of a blocked loop does not name the node",
    ("flowcraft.adapter.watchdog:Watchdog._culprit", "what |= holding.facts()", "pass"),
    rejected_by=f"{TESTS}/worker/test_blocked_loop.py"
    "::test_a_blocked_loop_is_reported_once_with_the_node_that_blocks_it",
)

newer_records_are_read = bug(
    "a record of a newer format is read as if it were known",
    ("flowcraft.engine.record:decode_record", "if record.format > reads:", "if False:"),
    rejected_by=f"{TESTS}/engine/test_record.py"
    "::test_a_record_of_a_newer_format_is_not_read_and_says_so",
)

the_bus_gets_a_cursor = bug(
    "the event bus is told of the end with a cursor",
    ("flowcraft.adapter.event_bus:Telling.ended", ', cursor=""', ""),
    rejected_by=f"{TESTS}/adapter/test_event_bus.py::test_the_bus_is_told_how_a_run_failed[HeardHarness]",
)

newer_jobs_are_taken = bug(
    "a job of a newer format is taken like any other",
    ("flowcraft.adapter.formats:Formats.check_job", "if job.format > self.own:", "if False:"),
    rejected_by="UpgradeScenarios.test_a_newer_job_that_somebody_else_received_must_come_back",
)

newer_runs_are_touched = bug(
    "a client does to a run of a newer format what it is asked to",
    ("flowcraft.adapter.formats:Formats.check",
     "if header is not None and header.format > self.own:", "if False:"),
    rejected_by="UpgradeScenarios.test_a_client_says_that_it_must_be_upgraded",
)  # fmt: skip

newer_runs_are_in_the_way = bug(
    "the sweep of an older worker comes upon the same newer runs each time",
    ("flowcraft.adapter.sweeper:Sweeper._look_at",
     "await parts.ports.store.swept({found.run_id: soon})", "pass"),
    rejected_by=f"{TESTS}/adapter/test_formats.py"
    "::test_runs_of_a_newer_format_keep_no_older_one_from_being_swept[MemoryHarness]",
)  # fmt: skip

notes_outlive_their_run = bug(
    "what was noted of a purged run stays for ever on an adapter of the four methods",
    ("flowcraft.adapter.contract_purge:ContractPurge.expire",
     "await self._cells.expire(place, key, members, REMAINING_SECONDS)", "pass"),
    rejected_by=f"{TESTS}/adapter/test_purge_by_contract.py"
    "::test_every_key_of_a_purged_run_expires",
)  # fmt: skip

the_application_wins = bug(
    "the adapter of the application wins over that of the environment",
    ("flowcraft.client.choice:resolve", "for place, choice in places:",
     "for place, choice in reversed(places):"),
    rejected_by=f"{TESTS}/client/test_choice.py::test_the_environment_wins_over_the_application",
)  # fmt: skip

nothing_is_near = bug(
    "an option that does not exist is refused without the nearest one",
    ("flowcraft.adapters:_near", "n=1)", "n=1, cutoff=0.99)"),
    rejected_by=f"{TESTS}/client/test_choice.py"
    "::test_an_option_that_does_not_exist_is_refused_with_the_nearest_one",
)

what_installs_it_is_not_said = bug(
    "an adapter that is not installed is one that nobody knows",
    ("flowcraft.adapters:Adapters._unknown", "if name in SIBLINGS:", "if False:"),
    rejected_by=f"{TESTS}/client/test_choice.py"
    "::test_an_adapter_that_is_not_installed_is_refused_with_what_installs_it",
)

a_broken_plugin_breaks_all = bug(
    "a plugin that cannot be loaded keeps all adapters from being found",
    ("flowcraft.adapters:Adapters._add", "except Exception as error:",
     "except UnicodeError as error:"),
    rejected_by=f"{TESTS}/local/test_adapters.py"
    "::test_a_plugin_that_cannot_be_loaded_is_reported_and_the_others_work",
)  # fmt: skip

cpu_nodes_execute_in_threads = bug(
    "a node bound to the CPU executes in a thread",
    ("flowcraft.nodes.implementation:_in_process", "if call.run_in_process is None:", "if True:"),
    rejected_by=f"{TESTS}/nodes/test_processes.py"
    "::test_it_executes_in_a_process_that_was_started_for_it",
)

another_thread_takes_the_loops_connection = bug(
    "the heartbeat of a blocked loop takes the connection of that very loop",
    ("flowcraft.adapter.watchdog:Watchdog._beat", "return\n",
     "return await self._holdings.keep(self._parts.ports.store, self._parts.ports.queue)\n"),
    rejected_by=f"{TESTS}/worker/test_blocked_loop.py"
    "::test_without_a_connection_for_another_thread_nothing_is_kept",
)  # fmt: skip
