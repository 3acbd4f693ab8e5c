"""Random mutants of the code that speaks the protocol, against whatever tests are named."""

from __future__ import annotations

import contextlib
import random
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from queue import Empty, SimpleQueue

from tests.mutation.operators import Mutant, mutants_of
from tests.mutation.trials import ROOT, SOURCE, Copy, Likely, Trial

FILES = ("adapter/*.py", "execution/*.py", "local/*.py")
TESTS = ("packages/core/tests/adapter",)
PROCESSES = 2
SURVIVED = ("survived", "unreached")


def mutate_protocol(
    *,
    files: Sequence[str],
    tests: Sequence[str],
    count: int,
    seed: int,
    limit_seconds: float | None,
) -> bool:
    """Try random mutants, print each survivor and one line of figures; tell whether none survived.

    Args:
        files: Patterns of files below the package `flowcraft`.
        tests: What pytest is to run against each mutant.
        count: How many mutants.
        seed: Decides which ones.
        limit_seconds: After how many seconds of the processor a mutant whose tests have not ended
            counts as noticed; unless given,
            half a minute, and twice what all the tests take without one.
    """
    started = time.monotonic()
    trials: list[Trial] = []
    waiting: SimpleQueue[Mutant] = SimpleQueue()
    for mutant in draw(files, count=count, seed=seed):
        waiting.put(mutant)
    with tempfile.TemporaryDirectory(prefix="mutants-") as place, ExitStack() as stack:
        likely = Likely()
        copies = [Copy(Path(place) / str(one), tests, likely) for one in range(PROCESSES)]
        for copy in copies:
            stack.callback(copy.close)
        reached, seconds = copies[0].measure()
        limit = limit_seconds or 30 + 2 * seconds

        def work(copy: Copy) -> None:
            with contextlib.suppress(Empty):
                while True:
                    mutant = waiting.get_nowait()
                    wanted = reached.tests_of(mutant)
                    trial = copy.try_mutant(mutant, wanted, limit_seconds=limit)
                    trials.append(trial)
                    _tell(len(trials), mutant, trial)

        threads = [threading.Thread(target=work, args=(copy,), daemon=True) for copy in copies]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return _report(Counter(trial.fate for trial in trials), seconds=time.monotonic() - started)


def draw(files: Sequence[str], *, count: int, seed: int) -> Iterator[Mutant]:
    """Draw mutants of as many lines, so that no line with many of them is drawn more often."""
    dice = random.Random(seed)
    lines: dict[tuple[Path, int], list[Mutant]] = {}
    for pattern in files:
        paths = sorted((SOURCE / "flowcraft").glob(pattern))
        if not paths:
            raise SystemExit(f"no file of the package flowcraft is meant by {pattern!r}")
        for path in paths:
            for mutant in mutants_of(path):
                lines.setdefault((path, mutant.line), []).append(mutant)
    places = list(lines.values())
    dice.shuffle(places)
    usable = (
        next((one for one in dice.sample(mutants, len(mutants)) if one.is_executable()), None)
        for mutants in places
    )
    return islice((one for one in usable if one is not None), count)


def _tell(number: int, mutant: Mutant, trial: Trial) -> None:
    where = f"{mutant.path.relative_to(SOURCE)}:{mutant.line}"
    print(f"{number:4} {trial.fate:9} {where} {trial.killer}".rstrip(), flush=True)
    if trial.fate in SURVIVED:
        print(mutant.diff(ROOT), flush=True)


def _report(counts: Counter[str], *, seconds: float) -> bool:
    total = counts.total()
    survived = sum(counts[fate] for fate in SURVIVED)
    print(
        f"mutation of the protocol: {total} mutants, {counts['killed']} killed by a test, "
        f"{counts['timeout']} by the time limit, {counts['broken']} that could not start, "
        f"{survived} survived ({counts['unreached']} reached by no test), "
        f"score {100 * (total - survived) / max(total, 1):.1f} %, {seconds:.0f} s"
    )
    return survived == 0
