"""`python -m tests.bench.wire [WORKLOAD …] --wire sse --only ours,floor --seconds 5`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import cast

from tests.bench.harness import table

from .charts import markdown, put_between_marks
from .client import Wire
from .contestants import CONTESTANTS
from .measure import show, tell
from .profile import profiled
from .report import WIRES, rows
from .run import Choice, run
from .workloads import WORKLOADS, unwatched


def main() -> None:
    """Run some workloads with some contestants, and print what they cost."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.wire", description=main.__doc__)
    names = ", ".join(WORKLOADS)
    parser.add_argument("workloads", nargs="*", metavar="WORKLOAD", help=f"of {names}")
    parser.add_argument("--wire", default=",".join(WIRES), help="sse, ws, or both with a comma")
    parser.add_argument("--only", default=",".join(CONTESTANTS), metavar="NAME,…")
    parser.add_argument("--rounds", type=int, default=1, help="how often each has its turn")
    parser.add_argument("--seconds", type=float, default=3.0, help="how long to publish")
    parser.add_argument("--readme", type=Path, metavar="FILE", help="put the table in there")
    parser.add_argument("--profile", action="store_true", help="print where the time goes (perf)")
    given = parser.parse_args()
    choice = Choice(
        given.workloads or tuple(WORKLOADS),
        cast("list[Wire]", given.wire.split(",")),
        given.only.split(","),
        given.rounds,
        given.seconds,
        profiled if given.profile else unwatched,
    )
    for asked, known in ((choice[0], WORKLOADS), (choice[1], WIRES), (choice[2], CONTESTANTS)):
        if unknown := set(asked) - set(known):
            parser.error(f"no such thing: {', '.join(sorted(unknown))}")
    if given.rounds < 1:
        parser.error("at least one round is needed")
    results = run(choice, tell)
    show(results)
    print(table(rows(results)))
    if given.readme:
        text = given.readme.read_text("utf-8")
        given.readme.write_text(put_between_marks(text, markdown(results)), "utf-8")


if __name__ == "__main__":
    main()
