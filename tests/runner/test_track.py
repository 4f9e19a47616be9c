"""`track`: counting items where they are iterated, on a step or on whatever runs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import anyio
import pytest
from anyio import to_thread

from progress import Reporter, track

from .rig import rig


async def agenerate(n: int) -> AsyncIterator[int]:
    for item in range(n):
        yield item


def generate(n: int) -> Iterator[int]:
    yield from range(n)


class Sized:
    """An async iterable that knows its length."""

    def __len__(self) -> int:
        return 3

    def __aiter__(self) -> AsyncIterator[int]:
        return agenerate(3)


@pytest.mark.parametrize(
    ("make", "total"),
    [
        (lambda: [0, 1, 2], 3),
        (lambda: range(3), 3),
        (lambda: iter([0, 1, 2]), 3),
        (lambda: {0: "a", 1: "b", 2: "c"}, 3),
        (lambda: generate(3), None),
        (lambda: (n for n in range(3)), None),
    ],
)
@pytest.mark.parametrize("module_level", [False, True])
async def test_track(make: Callable[[], Any], total: float | None, module_level: bool) -> None:
    async def count(report: Reporter) -> None:
        with report.step("count") as step:
            pen = track if module_level else step.track
            seen = []
            for item in pen(make()):
                seen.append(item)
                assert step.completed == len(seen) - 1  # it is counted when it is done
            assert seen == [0, 1, 2]
            assert (step.completed, step.total) == (3, total)

    async with rig() as made:
        snapshot = await made.run(count)
        assert snapshot.error is None
        assert snapshot.steps[0].completed == 3


@pytest.mark.parametrize(("make", "total"), [(lambda: agenerate(3), None), (Sized, 3)])
@pytest.mark.parametrize("module_level", [False, True])
async def test_track_async(
    make: Callable[[], Any], total: float | None, module_level: bool
) -> None:
    async def count(report: Reporter) -> None:
        pen = track if module_level else report.track
        assert [item async for item in pen(make())] == [0, 1, 2]
        assert (report.completed, report.total) == (3, total)

    async with rig() as made:
        assert (await made.run(count)).error is None


async def test_track_left_early_counts_what_was_done() -> None:
    async def count(report: Reporter) -> None:
        for item in report.track(range(10)):
            if item == 4:
                break
        assert (report.completed, report.total) == (4, 10)
        report.total = 20
        for _ in report.track(generate(2), total=None):
            pass
        assert (report.completed, report.total) == (6, 20)  # the total it has stays
        for _ in report.track(generate(2), total=30):
            pass
        assert report.total == 30

    async with rig() as made:
        assert (await made.run(count)).error is None


async def test_module_level_track_finds_the_innermost_open_step() -> None:
    async def library(n: int) -> None:
        for _ in track(range(n)):
            await anyio.lowlevel.checkpoint()

    async def use(report: Reporter) -> None:
        with report.step("outer"):
            await library(1)
            with report.step("inner"):
                await library(2)
                await to_thread.run_sync(lambda: list(track(generate(3))))
            await library(1)
        await library(7)

    async with rig() as made:
        snapshot = await made.run(use)
        assert {step.id: step.completed for step in snapshot.steps} == {"outer": 2, "inner": 5}
        assert snapshot.progress.completed == 7


async def test_module_level_track_keeps_operations_apart() -> None:
    async def count(report: Reporter, n: int) -> None:
        for _ in track(range(n)):
            await anyio.lowlevel.checkpoint()

    def count_in_thread(report: Reporter, n: int) -> None:
        for _ in track(range(n)):
            pass

    async with rig() as made:
        made.kind(count)
        made.kind(count_in_thread)
        ids = [made.start("count", n=n) for n in range(1, 6)]
        ids += [made.start("count_in_thread", n=n) for n in range(6, 11)]
        counted = [(await made.end(id)).progress.completed for id in ids]
        assert counted == list(range(1, 11))


async def test_module_level_track_outside_an_operation_does_nothing() -> None:
    items = [1, 2]
    assert list(track(items)) == items
    assert list(track(generate(3), total=9)) == [0, 1, 2]
    assert [item async for item in track(agenerate(3))] == [0, 1, 2]
    assert await to_thread.run_sync(lambda: list(track(items))) == items
