"""Stores that take one name for another."""

from __future__ import annotations

from tests.planted.bug import bug

TABLES = "flowcraft.memory.tables:MemoryTables"

RUNS = "NamesContract.test_runs_whose_ids_look_alike_are_different_runs"
ACTIVATIONS = "NamesContract.test_activations_and_edges_whose_names_look_alike_are_told_apart"
TIMERS = "NamesContract.test_timers_whose_names_look_alike_are_told_apart"

children_by_like = bug(
    "the children of a run are looked for by a pattern of its id",
    (f"{TABLES}.child_ids", "return list(self._children.get(run_id, ()))",
     "import re\n    like = re.compile(re.escape(run_id).replace('_', '.'))\n"
     "    return [c for p, some in self._children.items() if like.fullmatch(p) for c in some]"),
    rejected_by=RUNS,
)  # fmt: skip

purge_by_glob = bug(
    "a purge looks for what it removes by a pattern",
    (f"{TABLES}.delete_run", "run = self.runs.pop(run_id, None)",
     "import fnmatch\n    run = self.runs.get(run_id)\n"
     "    for found in [k for k in self.runs if fnmatch.fnmatchcase(k, run_id)]:\n"
     "        del self.runs[found]"),
    rejected_by=RUNS,
)  # fmt: skip

listing_by_case = bug(
    "a listing by blueprint does not tell small letters from capital ones",
    (f"{TABLES}.list_runs", "blueprint_id in (None, header.blueprint_id)",
     "(blueprint_id or header.blueprint_id).lower() == header.blueprint_id.lower()"),
    rejected_by=RUNS,
)  # fmt: skip

cells_without_accents = bug(
    "two spellings of one letter are one in the key of an activation",
    (f"{TABLES}.get_cell", "cells = ",
     "import unicodedata\n    key = unicodedata.normalize('NFC', key)\n    cells = "),
    (f"{TABLES}.get_cells", "return ",
     "import unicodedata\n    key = unicodedata.normalize('NFC', key)\n    return "),
    (f"{TABLES}.insert_cell", "run = ",
     "import unicodedata\n    key = unicodedata.normalize('NFC', key)\n    run = "),
    rejected_by=ACTIVATIONS,
)  # fmt: skip

sets_by_like = bug(
    "the members of a set are looked for by a pattern of its key",
    (f"{TABLES}.get_members", "found = self.runs[run_id].sets.get(key)",
     "import re\n    like = re.compile(re.escape(key).replace('_', '.'))\n"
     "    sets = self.runs[run_id].sets\n"
     "    found = next((sets[k] for k in sets if like.fullmatch(k)), None)"),
    rejected_by=ACTIVATIONS,
)  # fmt: skip

members_without_blanks = bug(
    "a blank at the end of an edge does not count",
    (f"{TABLES}.insert_member", "if member not in found.members:",
     "if member.rstrip() not in {one.rstrip() for one in found.members}:"),
    rejected_by=ACTIVATIONS,
)  # fmt: skip

timers_by_case = bug(
    "timers whose names differ by small and capital letters are one",
    (f"{TABLES}.set_timer", "self._timers[timer.name]", "self._timers[timer.name.lower()]"),
    rejected_by=TIMERS,
)
