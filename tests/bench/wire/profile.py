"""Where a server's time goes, function by function, as perf(1) sees it: the kernel's, too."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from signal import SIGINT

from .errors import BenchError

__all__ = ["profiled"]

_LINES = 45


@contextmanager
def profiled(pid: int) -> Iterator[None]:
    """Sample a process while the block runs, and print where it was.

    Raises:
        BenchError: perf is not installed, or not allowed.
    """
    perf = shutil.which("perf")
    if perf is None:
        raise BenchError("not installed: perf")
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "perf.data"
        record = [perf, "record", "-e", "cpu-clock", "-F", "2000", "-p", str(pid), "-o", str(data)]
        quiet = subprocess.DEVNULL
        with subprocess.Popen(record, stdout=quiet, stderr=quiet) as process:
            try:
                yield
            finally:
                process.send_signal(SIGINT)
        if process.returncode > 0:
            raise BenchError("perf may not look at other processes here")
        report = [perf, "report", "-i", str(data), "--stdio", "--no-children"]
        found = subprocess.run(
            [*report, "--sort", "symbol,dso"], stdout=subprocess.PIPE, stderr=quiet, check=True
        )
    lines = [line.rstrip() for line in found.stdout.decode().splitlines()]
    print("\n".join([line for line in lines if line and not line.startswith("#")][:_LINES]))
