"""Files inside one root only, for `demo.py`: `PROGRESS_DEMO_ROOT`, or else the current folder.

It keeps requests inside. It is no sandbox against another program that swaps folders for links in
there meanwhile.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from msgspec import Struct

from progress import Failure, Step

# A FIFO must not make us wait, nor a link lead us out that was put there after we had looked.
_CAREFULLY = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0)


def root() -> Path:
    """The folder that the operations may touch."""
    return Path(os.path.realpath(os.environ.get("PROGRESS_DEMO_ROOT", ".")))


def inside(path: Path) -> Path:
    """Where a path of a request leads, with links followed.

    Raises:
        Failure: out of the root (`outside-root`).
    """
    place = Path(os.path.realpath(root() / path))
    if path.is_absolute() or ".." in path.parts or not place.is_relative_to(root()):
        raise Failure("outside-root", f"{str(path)!r} leads out; use a path relative to the root")
    return place


def check_link(link: Path) -> None:
    """Refuse a link that leads out of the root."""
    if not Path(os.path.realpath(link)).is_relative_to(root()):
        raise Failure("outside-root", f"the link {str(link.relative_to(root()))!r} leads out")


def size_of(place: Path) -> int:
    """Bytes of a file; 0 where there is none."""
    return place.stat().st_size if place.is_file() else 0


def open_file(place: Path) -> BinaryIO:
    """Open a regular file for reading, and nothing that only looks like one."""
    file = open(place, "rb", opener=lambda path, flags: os.open(path, flags | _CAREFULLY))
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise Failure("missing", f"{str(place.relative_to(root()))!r} is not a file")
    return file


class Tree(Struct):
    """What is in a folder, by paths relative to it; a folder stands before what it contains."""

    folders: list[str] = []
    files: dict[str, int] = {}
    """With their sizes."""
    links: list[str] = []

    @property
    def bytes(self) -> int:
        return sum(self.files.values())


def scan(step: Step, top: Path) -> Tree:
    """List a folder without following links; refuse links that lead out of the root."""
    tree = Tree()
    waiting = [""]
    while waiting:
        folder = waiting.pop()
        with os.scandir(top / folder) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
        for entry in found:
            path = os.path.join(folder, entry.name)
            if entry.is_symlink():
                check_link(top / path)
                tree.links.append(path)
            elif entry.is_dir():
                tree.folders.append(path)
                waiting.append(path)
            elif entry.is_file():
                tree.files[path] = entry.stat(follow_symlinks=False).st_size
                step.advance()
            else:
                step.log(f"{path}: neither a file nor a folder, skipped", "warning")
        step.update(message=folder or ".")
    return tree


@contextmanager
def plain_failures() -> Iterator[None]:
    """Turn an error of the operating system into a failure that shows nothing outside the root."""
    try:
        yield
    except OSError as error:
        match error:
            case FileNotFoundError() | IsADirectoryError() | NotADirectoryError():
                type = "missing"
            case FileExistsError():
                type = "exists"
            case _:
                type = "file-error"
        name = f": {os.path.relpath(error.filename, root())!r}" if error.filename else ""
        raise Failure(type, f"{error.strerror}{name}") from error
