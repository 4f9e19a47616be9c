"""`python -m tests.bench [--rounds N] [--json FILE] [TOPIC …]`."""

from __future__ import annotations

import argparse
import os
import platform
from pathlib import Path

import msgspec

from . import catching_up, fanout, memory, pace, reporting
from .harness import table

_TOPICS = {
    "reporting": reporting.measure,
    "pace": pace.measure,
    "memory": memory.measure,
    "fanout": fanout.measure,
    "catching-up": catching_up.measure,
}


def main() -> None:
    """Measure, print the table and write it as JSON. A missed bar is told, and no failure."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=main.__doc__)
    parser.add_argument("topics", nargs="*", metavar="TOPIC", help=f"of {', '.join(_TOPICS)}")
    parser.add_argument("--rounds", type=int, default=7, help="how often each has its turn")
    parser.add_argument("--json", type=Path, default=Path("build/bench.json"), metavar="FILE")
    given = parser.parse_args()
    if unknown := set(given.topics) - set(_TOPICS):
        parser.error(f"no such topic: {', '.join(sorted(unknown))}")
    if given.rounds < 1:
        parser.error("at least one round is needed")
    rows = []
    for name, measure in _TOPICS.items():
        if not given.topics or name in given.topics:
            print(f"{name} …", flush=True)
            rows += measure(given.rounds)
    machine = f"Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} CPUs"
    print(f"\n{machine}, medians of {given.rounds} rounds (lowest–highest)\n\n{table(rows)}")
    given.json.parent.mkdir(parents=True, exist_ok=True)
    report = {"machine": machine, "rounds": given.rounds, "rows": rows}
    given.json.write_bytes(msgspec.json.format(msgspec.json.encode(report)))
    print(f"\nwritten to {given.json}")


if __name__ == "__main__":
    main()
