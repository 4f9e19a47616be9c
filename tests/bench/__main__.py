"""`python -m tests.bench [--rounds N] [--json FILE] [TOPIC …]`."""

from __future__ import annotations

import argparse
import os
import platform
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import msgspec

from . import catching_up, fanout, memory, pace, reporting, taking
from .harness import Row, table
from .wire.measure import measure as measure_wire


class _Topic(NamedTuple):
    measure: Callable[[int], list[Row]]
    rounds: int = 7


_TOPICS = {
    "reporting": _Topic(reporting.measure),
    "pace": _Topic(pace.measure),
    "memory": _Topic(memory.measure),
    "fanout": _Topic(fanout.measure),
    "catching-up": _Topic(catching_up.measure),
    "taking": _Topic(taking.measure),
    "wire": _Topic(measure_wire, rounds=3),  # minutes each
}


def main() -> None:
    """Measure, print the table and write it as JSON. A missed bar is told, and no failure."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=main.__doc__)
    parser.add_argument("topics", nargs="*", metavar="TOPIC", help=f"of {', '.join(_TOPICS)}")
    parser.add_argument("--rounds", type=int, help="how often each has its turn")
    parser.add_argument("--json", type=Path, default=Path("build/bench.json"), metavar="FILE")
    given = parser.parse_args()
    if unknown := set(given.topics) - set(_TOPICS):
        parser.error(f"no such topic: {', '.join(sorted(unknown))}")
    if given.rounds is not None and given.rounds < 1:
        parser.error("at least one round is needed")
    rows = []
    for name, topic in _TOPICS.items():
        if not given.topics or name in given.topics:
            print(f"{name} …", flush=True)
            rows += topic.measure(given.rounds or topic.rounds)
    machine = f"Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} CPUs"
    print(f"\n{machine}, medians of all rounds (lowest–highest)\n\n{table(rows)}")
    given.json.parent.mkdir(parents=True, exist_ok=True)
    report = {"machine": machine, "rows": rows}
    given.json.write_bytes(msgspec.json.format(msgspec.json.encode(report)))
    print(f"\nwritten to {given.json}")


if __name__ == "__main__":
    main()
