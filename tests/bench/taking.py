"""What it costs to take reports from outside: lines of one long request, beside Nchan's POSTs."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Callable
from contextlib import ExitStack

import msgspec

from tests.bench.wire import machine
from tests.bench.wire.contestants import CONTESTANTS
from tests.bench.wire.errors import BenchError
from tests.bench.wire.servers import Ours, Server
from tests.bench.wire.tools import BUILD, make

from .harness import Row, compare, figure, interleave, stopwatch

__all__ = ["measure"]

_LINES = 50_000
_POSTS = 20_000
_PIECE = 65_536
_RATE = 10_000
"""Lines a second on one core are what is asked for."""


def measure(rounds: int) -> list[Row]:
    """Processor time of the server for a line, and how many of them it takes in a second."""
    try:
        make()
        with ExitStack() as stack:
            ours = stack.enter_context(CONTESTANTS["ours"]("sse"))
            nchan = stack.enter_context(CONTESTANTS["nchan"]("sse"))
            assert isinstance(ours, Ours)
            machine.run_on(machine.client_cpu())
            return _compared(rounds, ours, nchan)
    except BenchError as error:
        return [Row(measurement="reports", ours=0.0, unit="", holds=False, note=str(error))]


def _compared(rounds: int, ours: Ours, nchan: Server) -> list[Row]:
    seconds: dict[str, list[float]] = {"progress": [], "log": [], "post": []}
    kinds = {
        "progress": b'{"type":"progress","step":"copy","completed":%d,"total":1000000}\n',
        "log": b'{"type":"log","message":"copied photos/%d.jpg"}\n',
    }

    def stream(name: str) -> float:
        lines = [kinds[name] % n for n in range(_LINES)]
        cost, took = _costs(ours.pid, lambda: _stream(ours, lines))
        seconds[name].append(took)
        return cost / _LINES

    def post() -> float:
        files = str(BUILD / "post"), str(BUILD / "event.json")
        command = [files[0], str(nchan.port), files[1], "1", "1e9", str(_POSTS)]
        cost, took = _costs(nchan.pid, lambda: subprocess.run(command, check=True))
        seconds["post"].append(took)
        return cost / _POSTS

    figures = interleave(
        rounds,
        {"progress": lambda: stream("progress"), "log": lambda: stream("log"), "nchan": post},
    )
    rows = []
    for name in kinds:
        rows.append(
            compare(
                f"a {name} line of one stream: CPU",
                figures[name],
                figures["nchan"],
                yardstick="a POST to Nchan",
                calls=1,
                unit="µs",
            )
        )
        time = figure(f"a {name} line of one stream: time", seconds[name], "µs", 1e6 / _LINES)
        time.bar, time.holds = f"<= {1e6 / _RATE:g}", time.ours <= 1e6 / _RATE
        rows.append(time)
    return [*rows, figure("a POST to Nchan: time", seconds["post"], "µs", 1e6 / _POSTS)]


def _costs(pid: int, work: Callable[[], object]) -> tuple[float, float]:
    before = machine.cpu(pid)
    took = stopwatch(work)
    return machine.cpu(pid) - before, took


def _stream(ours: Ours, lines: list[bytes]) -> None:
    started = msgspec.json.decode(ours.start("external", wait=0, label="bench"))
    path = f"/operations/{started['id']}/events"
    body = b'{"type":"step","id":"copy"}\n' + b"".join(lines) + b'{"type":"succeeded"}\n'
    pieces = [body[at : at + _PIECE] for at in range(0, len(body), _PIECE)]
    with socket.create_connection(("127.0.0.1", ours.port)) as server:
        head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-ndjson\r\n"
        server.sendall(f"{head}Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
        for piece in pieces:
            server.sendall(b"%x\r\n%b\r\n" % (len(piece), piece))
        server.sendall(b"0\r\n\r\n")
        with server.makefile("rb") as file:
            answer = file.read()
    if b'"taken":%d' % (len(lines) + 2) not in answer:
        raise BenchError(f"not all lines were taken: {answer.decode(errors='replace')[-300:]}")
