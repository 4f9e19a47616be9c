"""Real work on real input: what `make run` serves.

Run it with `progress serve examples.demo:app`. The kinds are `copy`, `query`, `import_csv` and
`count`; `curl localhost:8000/kinds` lists their parameters.

Files are read and written inside one folder only: `PROGRESS_DEMO_ROOT`, or else the current one,
looked up whenever an operation begins. Paths are relative to it; whatever leads out of it fails
with `outside-root` (`rooted.py`).
"""

import csv
import json
import os
import random
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Annotated, BinaryIO

import anyio
from msgspec import Meta, Struct

from examples.rooted import Tree, check_link, inside, open_file, plain_failures, scan, size_of
from progress import Failure, Progress, Reporter, Step

app = Progress()

CHUNK_BYTES = 1 << 20
"""Copied between two reports, so a cancel is noticed within milliseconds."""

LINE_BYTES = 1 << 20
"""A longer line is no CSV: it would have to fit into memory."""


@app.operation
@plain_failures()
def copy(report: Reporter, source: Path, destination: Path) -> dict[str, int]:
    """Copy a folder with all that is in it to a destination that does not exist yet.

    Links are copied as links and have to stay inside the root; devices and the like are skipped.
    When it fails or is cancelled, what was copied so far is removed.
    """
    origin = inside(source)
    inside(destination)
    target = inside(destination.parent) / destination.name
    if not origin.is_dir():
        raise Failure("missing", f"there is no folder {str(source)!r}")
    if os.path.lexists(target):
        raise Failure("exists", f"there is something at {str(destination)!r} already")
    if not target.parent.is_dir():
        raise Failure("missing", f"there is no folder {str(destination.parent)!r}")
    if target.is_relative_to(origin):
        raise Failure("inside-source", "a folder cannot be copied into itself")

    report.plan(scan=1, copy=9)
    with plain_failures():
        with report.step("scan", unit="files") as step:
            tree = scan(step, origin)
        report.log(f"{len(tree.files)} files in {len(tree.folders)} folders, {tree.bytes} bytes")
        target.mkdir()  # whoever makes it owns it: two copies at once cannot both go on
        try:
            with report.step("copy", total=tree.bytes, unit="bytes") as step:
                copy_tree(step, tree, origin, target)
        except BaseException:  # a cancellation is one
            shutil.rmtree(target)
            raise
    return {"files": len(tree.files), "bytes": int(step.completed)}


def copy_tree(step: Step, tree: Tree, origin: Path, target: Path) -> None:
    """Fill a new folder, and count every byte."""
    for path in tree.folders:
        (target / path).mkdir()
    for path, size in tree.files.items():
        step.update(message=path)
        before = step.completed
        with open_file(origin / path) as source, open(target / path, "xb") as copied:
            while chunk := source.read(CHUNK_BYTES):
                copied.write(chunk)
                copied.flush()
                os.fsync(copied.fileno())  # what only the memory holds is not copied yet
                step.advance(len(chunk))
        if step.total is not None:  # it has grown or shrunk since the scan
            step.total += step.completed - before - size
        shutil.copystat(origin / path, target / path, follow_symlinks=False)
    for path in tree.links:
        os.symlink(os.readlink(origin / path), target / path)
        shutil.copystat(origin / path, target / path, follow_symlinks=False)
    for path in tree.links:  # only now, because one may lead through another
        check_link(target / path)
    for path in ["", *tree.folders][::-1]:  # last, because the above changes their times
        shutil.copystat(origin / path, target / path)


Rows = Annotated[int, Meta(ge=1, le=2_000_000)]

RANKS = """
    SELECT station, value,
           (SELECT count(*) FROM reading AS other
            WHERE other.station = reading.station AND other.value > reading.value) AS rank
    FROM reading"""


@app.operation
def query(report: Reporter, rows: Rows = 200_000) -> dict[str, int]:
    """Rank measurements within their station, in the way that takes a database long."""
    report.plan(build=1, query=9)
    with closing(sqlite3.connect("")) as database:  # a temporary file, gone when it is closed
        database.execute(
            "CREATE TABLE reading (station INTEGER, value REAL, id INTEGER,"
            " PRIMARY KEY (station, value, id)) WITHOUT ROWID"
        )
        with report.step("build", total=rows, unit="rows") as step:
            values = ((n // 1000, random.random(), n) for n in step.track(range(rows)))
            database.executemany("INSERT INTO reading VALUES (?, ?, ?)", values)
        # SQLite works out each row when it is asked for, so counting rows is honest progress,
        # and a cancel arrives between two of them.
        with report.step("query", total=rows, unit="rows") as step:
            found = sum(1 for _ in step.track(database.execute(RANKS)))
    return {"rows": found}


class ImportedFile(Struct):
    """What became of one file. With an error nothing of it was imported."""

    path: str
    imported: int = 0
    rejected: int = 0
    error: str | None = None


class Imported(Struct):
    """What became of all of them."""

    imported: int
    rejected: int
    files: list[ImportedFile]


Paths = Annotated[list[Path], Meta(min_length=1, max_length=500)]


@app.operation
@plain_failures()
def import_csv(report: Reporter, paths: Paths) -> Imported:
    """Import CSV files with a header line into a database, which is thrown away at the end.

    Rows that do not fit are log lines. A file that cannot be imported is left out, all of it; the
    operation fails when that is so for every file. A path given twice is imported once.
    """
    places = {str(path): inside(path) for path in paths}  # all, before the first is imported
    report.plan({path: max(size_of(place), 1) for path, place in places.items()})
    files: list[ImportedFile] = []
    failures: list[Failure] = []
    with closing(sqlite3.connect("")) as database:
        database.execute("CREATE TABLE record (path TEXT, line INTEGER, fields TEXT)")
        for path, place in places.items():
            file = ImportedFile(path)
            try:
                with plain_failures(), report.step(path, unit="bytes") as step, database:
                    import_file(step, file, place, database)
            except Failure as failure:
                failures.append(failure)
                file = ImportedFile(path, error=failure.detail)
                report.log(f"{path}: {failure.detail}", "error")
            files.append(file)
    if len(failures) == len(files):
        raise failures[0]
    return Imported(sum(f.imported for f in files), sum(f.rejected for f in files), files)


def import_file(
    step: Step, result: ImportedFile, place: Path, database: sqlite3.Connection
) -> None:
    """Import one file within the transaction that its caller opened."""
    with open_file(place) as file:
        step.total = size_of(place)
        rows = numbered_rows(lines(step, file))
        _, header = next(rows, (1, None))
        if not isinstance(header, list) or not any(header) or len({*header}) < len(header):
            raise Failure("not-csv", "its first line has to name the columns, each differently")
        for line, row in rows:
            if isinstance(row, csv.Error):
                problem = str(row)
            elif len(row) != len(header):
                problem = f"{len(row)} fields instead of {len(header)}"
            else:
                fields = json.dumps(dict(zip(header, row, strict=True)))
                database.execute("INSERT INTO record VALUES (?, ?, ?)", (result.path, line, fields))
                result.imported += 1
                continue
            result.rejected += 1
            step.log(f"{result.path}:{line}: {problem}", "warning")


def numbered_rows(lines: Iterator[str]) -> Iterator[tuple[int, list[str] | csv.Error]]:
    """Yield rows, or what is wrong with them, each with the number of its first line."""
    reader = csv.reader(lines, strict=True)
    while True:
        line = reader.line_num + 1
        try:
            if row := next(reader):  # else it is an empty line
                yield line, row
        except csv.Error as error:
            yield line, error
        except StopIteration:
            return


def lines(step: Step, file: BinaryIO) -> Iterator[str]:
    """Decode the lines of a file and count their bytes."""
    encoding = "utf-8-sig"  # spreadsheets begin with a byte order mark
    for number, line in enumerate(iter(lambda: file.readline(LINE_BYTES), b""), 1):
        if len(line) == LINE_BYTES:
            raise Failure("not-csv", f"line {number} is longer than {LINE_BYTES - 1} bytes")
        try:
            yield line.decode(encoding)
        except UnicodeDecodeError as error:
            raise Failure("not-csv", f"line {number} is not UTF-8") from error
        encoding = "utf-8"
        step.advance(len(line))


@app.operation
async def count(
    report: Reporter,
    to: Annotated[int, Meta(ge=0, le=1_000_000)] = 10,
    interval: Annotated[float, Meta(ge=0, le=3600)] = 0.5,
    fail_at: int | None = None,
) -> dict[str, int]:
    """Count, one number every `interval` seconds; raise an exception at `fail_at`."""
    report.update(unit="numbers")
    for n in report.track(range(1, to + 1)):
        await anyio.sleep(interval)
        if n == fail_at:
            raise RuntimeError(f"asked to fail at {n}")
        report.log(f"counted {n}")
    return {"counted": to}
