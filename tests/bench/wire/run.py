"""Contestants take turns: in each round every one has each workload on each wire once."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from statistics import median
from typing import NamedTuple

from msgspec import Struct, field

from .client import Wire
from .contestants import CONTESTANTS
from .errors import BenchError
from .machine import client_cpu, open_many_files, run_on
from .tools import make
from .workloads import WORKLOADS, Figures, Plan, Watch, unwatched

__all__ = ["Cell", "Choice", "Results", "run"]


_FLOODED = ("ours", "portable")
"""The flood compares a server with itself: the others know no state that could be lost."""


class Choice(NamedTuple):
    """Who does what, and how often."""

    workloads: Sequence[str] = tuple(WORKLOADS)
    wires: Sequence[Wire] = ("sse", "ws")
    contestants: Sequence[str] = tuple(CONTESTANTS)
    rounds: int = 3
    seconds: float = 3.0
    """How long to publish each time."""
    watch: Watch = unwatched


class Cell(Struct):
    """What a contestant has shown with one workload on one wire."""

    workload: str
    wire: Wire
    contestant: str
    turns: list[Figures] = field(default_factory=list)
    trouble: str = ""
    """Why there are no figures; one is enough to be out."""

    def rounds(self, figure: Callable[[Figures], float]) -> list[float]:
        """One figure of all rounds."""
        return [] if self.trouble else [figure(turn) for turn in self.turns]

    def median(self, figure: Callable[[Figures], float]) -> float | None:
        """The median of one figure, if there is one."""
        return median(self.rounds(figure)) if self.turns and not self.trouble else None


class Results:
    """All cells, by workload, wire and contestant."""

    def __init__(self, choice: Choice) -> None:
        self.choice = choice
        self.cells = [
            Cell(workload, wire, contestant)
            for workload in choice.workloads
            for wire in choice.wires
            for contestant in choice.contestants
            if workload != "flood" or contestant in _FLOODED
        ]

    def cell(self, workload: str, wire: Wire, contestant: str) -> Cell | None:
        """One of them, if it was asked for."""
        for cell in self.cells:
            if (cell.workload, cell.wire, cell.contestant) == (workload, wire, contestant):
                return cell
        return None


def run(choice: Choice, told: Callable[[Cell], object]) -> Results:
    """Measure; `told` hears of each turn. Runs on the client's processor from here on.

    Raises:
        BenchError: there is no C compiler.
    """
    make()
    open_many_files()
    run_on(client_cpu())
    results = Results(choice)
    for start in range(choice.rounds):
        for cell in _turns(results, start):
            if not cell.trouble:
                _take_turn(cell, choice)
                told(cell)
    return results


def _turns(results: Results, start: int) -> list[Cell]:
    """The cells of a round: workload by workload, and another contestant begins each time."""
    turns = []
    for workload in results.choice.workloads:
        for wire in results.choice.wires:
            cells = [c for c in results.cells if (c.workload, c.wire) == (workload, wire)]
            first = start % (len(cells) or 1)
            turns += cells[first:] + cells[:first]
    return turns


def _take_turn(cell: Cell, choice: Choice) -> None:
    gc.collect()
    plan = Plan(cell.contestant, cell.wire, choice.seconds, choice.watch)
    try:
        cell.turns.append(WORKLOADS[cell.workload](plan))
    except (BenchError, OSError) as error:  # a server or a client that ends breaks pipes
        cell.trouble = " ".join(str(error).split())
