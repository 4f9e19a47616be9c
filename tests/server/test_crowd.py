"""A thousand clients that come and go, politely or not: nothing of them is left over."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import anyio
import psutil
import pytest

from progress.core.frames import Message, Ping
from tests.support.process import Process, eventually, progress_serve
from tests.support.view import View
from tests.support.wire import Response, ask, request, snapshot, start

OPERATIONS = 200
CLIENTS = 1_000
GROUPS = 20
AT_ONCE = 400
"""Clients connected at the same time; the usual limit of open files is 1,024 for us, too."""


@pytest.fixture
def server() -> Iterator[Process]:
    options = ["--set", f"limits.running={OPERATIONS + 10}", "--log-level", "warning"]
    with progress_serve("tests.support.inspect_app:app", *options) as process:
        yield process
        assert process.stderr == ""


def left_over(server: Process) -> tuple[int, int, int, int]:
    """Subscribers, tasks, threads and open files of the server."""
    id = start(server.port, "census")["id"]
    eventually(lambda: snapshot(server.port, id)["state"] == "succeeded")
    found = snapshot(server.port, id)["result"]
    descriptors = psutil.Process(server.pid).num_fds()
    return found["subscribers"], found["tasks"], found["threads"], descriptors


class Client:
    """Follows one operation, or a group, over a few connections; drops most of them."""

    def __init__(self, port: int, path: str, random: Random) -> None:
        self.view = View()
        self.finished = False
        self._port = port
        self._path = path
        self._random = random

    async def run(self) -> None:
        """Come and go."""
        for _ in range(self._random.randrange(1, 6)):
            if not self.finished:
                await self._connect(self._random.randrange(200, 9_000))

    async def _connect(self, cut: int) -> None:
        last = self.view.connect()
        headers = {} if last is None else {"Last-Event-ID": last}
        response = Response()
        async with await anyio.connect_tcp("127.0.0.1", self._port) as stream:
            await stream.send(request(self._path, headers))
            while cut > 0 and not response.complete:
                body = response.feed(await stream.receive())
                cut -= len(body)
                if self._is_quiet(self.view.feed(body)):
                    break
            if response.complete:
                self.finished = self.view.bye is not None or response.status == 204
            elif self._random.random() < 0.3:
                await stream.send_eof()
            elif self._random.random() < 0.5:
                await anyio.aclose_forcefully(stream)
        assert response.status in (200, 204)

    def _is_quiet(self, messages: list[Message]) -> bool:
        """Whether nothing more will come: it has caught up, and all that it follows has ended."""
        caught_up = any(isinstance(message, Ping) for message in messages)
        return caught_up and all(held.ended for held in self.view.snapshots.values())


@pytest.mark.slow("1,000 clients")
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_1000_clients_of_200_operations_leave_nothing_behind(server: Process) -> None:
    random = Random(5)
    port = server.port
    with_stream = Client(port, "/events", random)
    await with_stream.run()
    await anyio.to_thread.run_sync(lambda: eventually(lambda: left_over(server)[0] == 0))
    before = await anyio.to_thread.run_sync(left_over, server)
    ids = [
        start(port, "count", {"group": str(n % GROUPS)}, to=30, interval=0.1)["id"]
        for n in range(OPERATIONS)
    ]
    clients = [
        Client(
            port,
            f"/events?label=group:{n % GROUPS}&after=0-0"
            if n % 2
            else f"/operations/{random.choice(ids)}/events?after=0-0",
            random,
        )
        for n in range(CLIENTS)
    ]
    room = anyio.CapacityLimiter(AT_ONCE)

    async def come_and_go(client: Client) -> None:
        async with room:
            await client.run()

    with anyio.fail_after(40):
        async with anyio.create_task_group() as tasks:
            for client in clients:
                tasks.start_soon(come_and_go, client)
    assert sum(bool(client.view.last_event_id) for client in clients) > 0.9 * CLIENTS
    assert any(client.finished for client in clients)
    for id in ids:
        assert ask(port, f"/operations/{id}/cancel", method="POST").status in (202, 409)
    await anyio.to_thread.run_sync(lambda: eventually(lambda: left_over(server) == before, 10))
