"""What others cost, beside ours: a table in Markdown, and a plot."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from platform import python_version
from typing import NamedTuple

from .client import Wire
from .machine import describe
from .report import TITLES, WIRES
from .run import Results
from .tools import versions
from .workloads import Figures

__all__ = ["markdown", "plot", "put_between_marks"]

_BEGIN, _END = "<!-- bench -->", "<!-- /bench -->"

_NAMES = {
    "ours": "progress serve",
    "portable": "the same application, plain uvicorn",
    "usual": "Starlette, a queue per subscriber",
    "node": "Node: better-sse, ws",
    "nchan": "nginx with Nchan",
    "floor": "the floor: write() in C",
}
_COLORS = {
    "ours": "#2563eb",
    "portable": "#60a5fa",
    "usual": "#f97316",
    "node": "#16a34a",
    "nchan": "#a855f7",
    "floor": "#9ca3af",
}


class _Column(NamedTuple):
    head: str
    workload: str
    figures: tuple[Callable[[Figures], float], ...]
    form: str
    ratio: bool = False
    """Whether the ratio to the floor is put behind it."""


_SHORT = {"one-many": "1 × 1,000: ", "many-one": "1,000 × 1: ", "connections": ""}
_P50_P99 = (lambda turn: turn.p50 * 1e3, lambda turn: turn.p99 * 1e3)
_COLUMNS = (
    _Column("CPU per delivery", "one-many", (lambda turn: turn.cpu * 1e6,), "{:.1f} µs", True),
    _Column("p50, p99", "one-many", _P50_P99, "{:.1f}, {:.1f} ms"),
    _Column("writes", "one-many", (lambda turn: turn.writes,), "{:.2f}"),
    _Column("CPU per delivery", "many-one", (lambda turn: turn.cpu * 1e6,), "{:.1f} µs", True),
    _Column("p50, p99", "many-one", _P50_P99, "{:.2f}, {:.2f} ms"),
    _Column("writes", "many-one", (lambda turn: turn.writes,), "{:.2f}"),
    _Column("idle", "connections", (lambda turn: turn.memory / 1024,), "{:.1f} KB"),
    _Column("CPU per connect", "connections", (lambda turn: turn.cpu * 1e6,), "{:.0f} µs"),
)


def markdown(results: Results) -> str:
    """A table for each wire: one line a contestant, the medians of the rounds."""
    columns = [column for column in _COLUMNS if column.workload in results.choice.workloads]
    tables = [_table(results, wire, columns) for wire in results.choice.wires if columns]
    rounds = f"Medians of {results.choice.rounds} rounds."
    return "\n\n".join(
        [*tables, f"{describe()}; Python {python_version()}, {versions()}. {rounds}"]
    )


def put_between_marks(text: str, content: str) -> str:
    """Put something where a document has `<!-- bench -->` and `<!-- /bench -->`.

    Raises:
        ValueError: it has not.
    """
    before, begin, rest = text.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not begin or not end:
        raise ValueError(f"there is no {_BEGIN} with an {_END} behind it")
    return f"{before}{begin}\n{content}\n{end}{after}"


def _table(results: Results, wire: Wire, columns: Sequence[_Column]) -> str:
    heads = [WIRES[wire], *(f"{_SHORT[column.workload]}{column.head}" for column in columns)]
    lines = []
    for contestant in results.choice.contestants:
        cells = [_cell(results, wire, contestant, column) for column in columns]
        lines.append([_NAMES[contestant], *cells])
    rule = ["---", *("---:" for _ in columns)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (heads, rule, *lines))


def _cell(results: Results, wire: Wire, contestant: str, column: _Column) -> str:
    found = _medians(results, wire, contestant, column)
    if not found:
        return "–"
    floor = _medians(results, wire, "floor", column) if column.ratio else []
    ratio = f" (× {found[0] / floor[0]:.2f})" if floor else ""
    return column.form.format(*found) + ratio


def _medians(results: Results, wire: Wire, contestant: str, column: _Column) -> list[float]:
    medians = [
        _median(results, column.workload, wire, contestant, figure) for figure in column.figures
    ]
    return [found for found in medians if found is not None]


def _median(
    results: Results, workload: str, wire: Wire, who: str, figure: Callable[[Figures], float]
) -> float | None:
    cell = results.cell(workload, wire, who)
    return None if cell is None else cell.median(figure)


_WIDTH, _LABEL, _SCALE_TO = 760, 250, 420
_BAR, _GAP, _HEAD = 16, 3, 26


def plot(results: Results) -> str:
    """CPU per delivery of all, as an SVG: a group of bars for each workload and wire."""
    groups = [
        (f"{TITLES[workload]}, {WIRES[wire]}", _bars(results, workload, wire))
        for workload in ("one-many", "many-one")
        for wire in results.choice.wires
    ]
    groups = [(title, bars) for title, bars in groups if bars]
    height, parts = 44, []
    for title, bars in groups:
        parts.append(_text(10, height + 18, title, "bold"))
        height += _HEAD
        longest = max(value for _, value in bars)
        for contestant, value in bars:
            parts += _bar(height, contestant, value, value / longest)
            height += _BAR + _GAP
        height += 12
    head = _text(10, 24, "Processor time of the server for one event to one subscriber", "bold")
    size = f'viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}"'
    font = 'font-family="sans-serif" font-size="13"'
    begin = f'<svg xmlns="http://www.w3.org/2000/svg" {size} {font}>'
    ground = f'<rect width="{_WIDTH}" height="{height}" fill="white"/>'
    return "\n".join([begin, ground, head, *parts, "</svg>\n"])


def _bars(results: Results, workload: str, wire: Wire) -> Sequence[tuple[str, float]]:
    found = []
    for contestant in results.choice.contestants:
        value = _median(results, workload, wire, contestant, lambda turn: turn.cpu)
        if value is not None:
            found.append((contestant, value))
    return found


def _bar(top: int, contestant: str, seconds: float, share: float) -> list[str]:
    width = max(share * _SCALE_TO, 1)
    baseline = top + _BAR - 3
    place = f'x="{_LABEL}" y="{top}" width="{width:.1f}" height="{_BAR}"'
    return [
        _text(10, baseline, _NAMES[contestant]),
        f'<rect {place} fill="{_COLORS[contestant]}"/>',
        _text(_LABEL + width + 6, baseline, f"{seconds * 1e6:.1f} µs"),
    ]


def _text(x: float, y: float, text: str, weight: str = "normal") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" font-weight="{weight}">{escape(text)}</text>'
