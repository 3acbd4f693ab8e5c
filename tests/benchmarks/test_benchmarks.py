"""The benchmarks run, and give the figures that are asked of every part."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

EVERYWHERE = (
    "w1_nodes_per_s", "w2_nodes_per_s", "w3_nodes_per_s", "hop_ms", "w3_wall_ms", "w4_p50_ms",
    "round_trips_per_node",
)  # fmt: skip


@pytest.mark.slow
def test_the_in_process_benchmark_gives_its_figures_and_does_without_a_peer(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    command = [sys.executable, "-m", "benchmarks", "--adapter", "in_process", "--json", str(file),
               "--runs", "10", "--rounds", "1", "--largest", "1000"]  # fmt: skip
    without_peer = {**os.environ, "FLOWCRAFT_BENCH_PYTHON": str(tmp_path / "no-python")}
    done = subprocess.run(
        command, cwd=ROOT, env=without_peer, capture_output=True, text=True, check=True, timeout=300
    )
    figures = json.loads(file.read_text())["in_process"]
    assert all(figures[name] > 0 for name in EVERYWHERE if name != "round_trips_per_node")
    assert figures["round_trips_per_node"] == 0
    assert figures["chain_1000_async_nodes_per_s"] > 0
    assert "no peer: " in done.stdout
    assert done.stdout.splitlines()[-1].startswith("in_process: W1 ")
