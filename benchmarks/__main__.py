"""Runs the benchmarks: `python -m benchmarks [--adapter NAME] [--json FILE]`."""

from __future__ import annotations

import argparse
import asyncio
import json
from importlib import import_module
from pathlib import Path

from benchmarks.machine import machine_line

PARTS = {"in_process": "benchmarks.in_process", "sqlite": "benchmarks.sqlite"}
"""The module of each part; its `measure` gives the figures."""


def main() -> None:
    """Measure, print, and end with one line of figures."""
    options = _arguments()
    print(machine_line())
    found: dict[str, dict[str, float]] = {}
    for name in [options.adapter] if options.adapter else PARTS:
        print(f"\n{name}")
        measure = import_module(PARTS[name]).measure
        found[name] = asyncio.run(
            measure(runs=options.runs, rounds=options.rounds, largest=options.largest)
        )
    if options.json is not None:
        written = {"machine": machine_line(), **found}
        options.json.write_text(json.dumps(written, indent=2) + "\n")
    print()
    print("; ".join(f"{name}: {_line(figures)}" for name, figures in found.items()))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./dev bench --", description="Measure speed.")
    parser.add_argument("--adapter", choices=PARTS, help="one part only")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to a file")
    parser.add_argument(
        "--runs", type=int, default=5000, help="runs of one node in W1 (%(default)s)"
    )
    parser.add_argument("--rounds", type=int, default=5, help="samples of each (%(default)s)")
    parser.add_argument(
        "--largest", type=int, default=100_000, help="nodes in the largest run (%(default)s)"
    )
    return parser.parse_args()


def _line(figures: dict[str, float]) -> str:
    return (
        "W1 {w1_nodes_per_s:,.0f}, W2 {w2_nodes_per_s:,.0f}, W3 {w3_nodes_per_s:,.0f} nodes/s, "
        "W3 alone {w3_wall_ms:.2f} ms, W4 {w4_p50_ms:.3f} ms, hop {hop_ms:.4f} ms, "
        "{round_trips_per_node:g} round trips a node".format(**figures)
    )


if __name__ == "__main__":
    main()
