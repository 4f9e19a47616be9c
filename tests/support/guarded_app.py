"""An app with `authorize`, whose answers a test can hold back: `tests.support.guarded_app:app`.

Users send `Authorization: Bearer <name>` and own what is labelled `owner:<name>`. An operation
labelled `gate:<name>` can be read once the operation `release` has opened that gate.
"""

from __future__ import annotations

from collections import defaultdict

import anyio
from starlette.requests import HTTPConnection

from progress import Forbidden, Progress, Reporter, Unauthorized
from progress.core.operation import Snapshot

gates: defaultdict[str, anyio.Event] = defaultdict(anyio.Event)


async def authorize(connection: HTTPConnection, action: str, operation: Snapshot | None) -> None:
    """Let users do what they like with what is their own."""
    scheme, _, user = connection.headers.get("authorization", "").partition(" ")
    if scheme != "Bearer" or not user:
        raise Unauthorized("send Authorization: Bearer NAME", 'Bearer realm="tests"')
    if user == "banned":
        raise Forbidden("banned users do nothing here")
    if operation is None:
        return
    if operation.labels.get("owner") != user:
        raise Forbidden("that belongs to somebody else")
    if action == "read" and (gate := operation.labels.get("gate")) is not None:
        await gates[gate].wait()


app = Progress(authorize=authorize)


@app.operation
async def count(report: Reporter, to: int = 3) -> int:
    """Log each number."""
    for n in range(to):
        report.log(f"line {n}")
        await anyio.lowlevel.checkpoint()
    return to


@app.operation
async def release(report: Reporter, gate: str) -> None:
    """Let `authorize` answer for operations behind this gate."""
    gates[gate].set()


@app.operation
async def wait(report: Reporter) -> None:
    """Wait until it is cancelled."""
    await anyio.sleep_forever()
