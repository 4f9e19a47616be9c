"""Starting tasks from where none runs: in the callback of a transport anyio finds no event loop."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import partial

import anyio

__all__ = ["Calls"]


class Calls:
    """Runs what is given to it, each in a task of its own that ends with it."""

    def __init__(self) -> None:
        self._given: list[Callable[[], Coroutine[object, object, None]]] = []
        self._wake = anyio.Event()

    def start(
        self, function: Callable[..., Coroutine[object, object, None]], *args: object
    ) -> None:
        """Run a function that must not raise. From the event loop's thread, in a task or not."""
        self._given.append(partial(function, *args))
        self._wake.set()

    async def run(self) -> None:
        """Run what is given, until cancelled."""
        async with anyio.create_task_group() as tasks:
            while True:
                await self._wake.wait()
                self._wake = anyio.Event()
                given, self._given = self._given, []
                for function in given:
                    tasks.start_soon(function)
