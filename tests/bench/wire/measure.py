"""The topic `wire` of `make bench`: everything, with a table of all contestants and the plot."""

from __future__ import annotations

from pathlib import Path

import msgspec

from tests.bench.harness import Row

from .charts import markdown, plot
from .errors import BenchError
from .report import rows
from .run import Cell, Choice, Results, run
from .tools import BUILD

__all__ = ["measure", "show", "tell"]

_PLOT = Path(__file__).with_name("plot.svg")


def measure(rounds: int) -> list[Row]:
    """Let all contestants run all workloads, print their table, and draw the plot."""
    try:
        results = run(Choice(rounds=rounds), tell)
    except BenchError as error:
        return [Row(measurement="over the wire", ours=0.0, unit="", holds=False, note=str(error))]
    show(results)
    _PLOT.write_text(plot(results), "utf-8")
    return rows(results)


def tell(cell: Cell) -> None:
    """Print that a contestant had its turn."""
    state = cell.trouble or msgspec.json.encode(cell.turns[-1]).decode()
    print(f"  {cell.workload} {cell.wire} {cell.contestant}: {state}", flush=True)


def show(results: Results) -> None:
    """Print the table of all contestants, and keep every figure in `build/bench/wire.json`."""
    print(f"\n{markdown(results)}\n")
    (BUILD / "wire.json").write_bytes(msgspec.json.format(msgspec.json.encode(results.cells)))
