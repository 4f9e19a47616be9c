"""What Linux tells of a process, and which processor it runs on."""

from __future__ import annotations

import os
import platform
import resource
import time
from functools import cache
from pathlib import Path

from .errors import BenchError

__all__ = [
    "children",
    "client_cpu",
    "cpu",
    "describe",
    "memory",
    "open_many_files",
    "queued",
    "run_on",
    "server_cpu",
    "writes",
]

_SCHED = 2
"""clock_getcpuclockid(3) of another process: the complement of its id, and this."""


def cpu(pid: int) -> float:
    """Seconds of processor time that a process has taken, all its threads, to the nanosecond."""
    return time.clock_gettime(~pid << 3 | _SCHED)


def memory(pid: int) -> int:
    """Bytes of memory of a process: its own, and its share of what others use too."""
    return _field(pid, "smaps_rollup", "Pss") * 1024


def writes(pid: int) -> int:
    """How many times a process has called `write`, `writev` and their like."""
    return _field(pid, "io", "syscw")


def queued(port: int) -> int:
    """Bytes that the kernel holds for the connections of a server whose clients do not read."""
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    fields = [line.split() for line in lines]
    ours = [queues for _, local, _, _, queues, *_ in fields if local.endswith(f":{port:04X}")]
    return sum(int(queues.partition(":")[0], 16) for queues in ours)


def children(pid: int) -> list[int]:
    """The processes that a process has started."""
    return [int(id) for id in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def open_many_files() -> None:
    """Let this process and those it starts have as many connections as the system allows."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def server_cpu() -> int:
    """The processor on which the server under test runs, alone."""
    return max(_cpus())


def client_cpu() -> int:
    """The processor for the load client, and for whoever publishes from outside."""
    return min(_cpus())


def run_on(processor: int) -> None:
    """Keep this process, and those it starts from here on, to one processor."""
    os.sched_setaffinity(0, {processor})


def describe() -> str:
    """The machine, in one line."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    processor = names[0] if names else platform.machine()
    return f"{len(_cpus())} × {processor}, Linux {platform.release()}"


def _field(pid: int, file: str, name: str) -> int:
    try:
        lines = Path(f"/proc/{pid}/{file}").read_text().splitlines()
    except OSError as error:
        raise BenchError(f"the server has ended: {error}") from error
    for line in lines:
        if line.startswith(f"{name}:"):
            return int(line.split()[1])
    raise BenchError("the server has ended")


@cache
def _cpus() -> set[int]:
    return os.sched_getaffinity(0)
