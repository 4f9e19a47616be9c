"""The README names every setting, route and command-line option; no file names our workplace."""

import re
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from pathlib import PurePosixPath

import click
import msgspec
import pytest
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute

from progress import Progress
from progress.cli import main
from progress.settings import Settings
from tests.rules.source import ROOT, Finding, check_text, report

# Joined here, so that this file does not break its own rule.
WORKPLACE = ("/".join(("", "work", "")), "/".join(("shared", "design")))


def unmentioned(names: Iterable[str], text: str) -> list[str]:
    """Return the names that the text does not have as whole words: `/events` is not in `/events/x`.

    A path may be followed by its query, an option by its value.
    """
    return [
        name
        for name in names
        if not re.search(rf"(?<![\w/{{}}.-]){re.escape(name)}(?![\w/{{-])", text)
    ]


def setting_names(settings: type[msgspec.Struct], prefix: str = "PROGRESS") -> Iterator[str]:
    """Yield the environment name of every setting: `PROGRESS_<GROUP>_<FIELD>`."""
    for field in msgspec.structs.fields(settings):
        name = f"{prefix}_{field.name.upper()}"
        if isinstance(field.type, type) and issubclass(field.type, msgspec.Struct):
            yield from setting_names(field.type, name)
        else:
            yield name


def route_paths(routes: Sequence[BaseRoute], prefix: str = "") -> Iterator[str]:
    """Yield the path of every route, without Starlette's convertors: `/operations/{id}`."""
    for route in routes:
        match route:
            case Mount():
                yield from route_paths(route.routes, prefix + route.path)
            case Route() | WebSocketRoute():
                yield re.sub(r"\{(\w+):\w+\}", r"{\1}", prefix + route.path)
            case _:
                pytest.fail(f"a route of another kind: {route!r}")


def option_names(command: click.Command) -> Iterator[str]:
    """Yield every sub-command, its arguments as they stand in the help, and its long options."""
    for parameter in command.params:
        if isinstance(parameter, click.Argument):
            yield (parameter.metavar or str(parameter.name).upper()).strip("[].")
        elif isinstance(parameter, click.Option) and not parameter.hidden:
            names = [*parameter.opts, *parameter.secondary_opts]
            yield from [name for name in names if name.startswith("--")]
    if isinstance(command, click.Group):
        for name, subcommand in command.commands.items():
            yield name
            yield from option_names(subcommand)


def workplace_names(path: PurePosixPath, source: str) -> list[Finding]:
    """Find names that mean something only where this was written."""
    return [
        Finding(path, number, f"mentions {name}")
        for number, line in enumerate(source.splitlines(), 1)
        for name in WORKPLACE
        if name in line
    ]


@pytest.fixture(scope="module")
def readme() -> str:
    return (ROOT / "README.md").read_text("utf-8")


def test_settings_are_documented(readme: str) -> None:
    names = list(setting_names(Settings))
    assert names
    assert unmentioned(names, readme) == []


def test_routes_are_documented(readme: str) -> None:
    paths = list(route_paths(Progress().routes))
    assert paths
    assert unmentioned(paths, readme) == []


def test_options_are_documented(readme: str) -> None:
    names = list(option_names(main))
    assert "--port" in names
    assert unmentioned(names, readme) == []


def test_no_file_names_our_workplace() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    paths = [PurePosixPath(name) for name in sorted(set(listed.stdout.split("\0"))) if name]
    assert PurePosixPath("pyproject.toml") in paths
    found = [
        finding
        for path in paths
        if (ROOT / path).is_file()
        for finding in workplace_names(path, (ROOT / path).read_text("utf-8", errors="replace"))
    ]
    assert not found, report(found)


def test_what_is_unmentioned_is_found() -> None:
    text = "`GET /operations/{id}/events?after=`, `/`, PROGRESS_LIMITS_BODY_BYTES and --port-range"
    names = ["/operations/{id}/events", "/", "/operations/{id}", "/events"]
    names += ["PROGRESS_LIMITS_BODY", "PROGRESS_LIMITS_BODY_BYTES", "--port"]
    assert unmentioned(names, text) == [*names[2:5], "--port"]


def test_setting_names_follow_the_groups() -> None:
    class Limits(msgspec.Struct):
        body: int = 1

    class Example(msgspec.Struct):
        limits: Limits
        hosts: tuple[str, ...] = ()

    assert list(setting_names(Example)) == ["PROGRESS_LIMITS_BODY", "PROGRESS_HOSTS"]


def test_route_paths_follow_mounts() -> None:
    def endpoint() -> None: ...

    inner = Route("/{path:path}", endpoint)
    routes = [Route("/operations/{id}", endpoint), Mount("/static", routes=[inner])]
    assert list(route_paths(routes)) == ["/operations/{id}", "/static/{path}"]


def test_option_names_follow_subcommands() -> None:
    group = click.Group(params=[click.Option(["--version"])])
    serve = [click.Argument(["app"]), click.Option(["-p", "--port"]), click.Option(["--a/--no-a"])]
    group.add_command(click.Command("serve", params=serve))
    assert list(option_names(group)) == ["--version", "serve", "APP", "--port", "--a", "--no-a"]


def test_workplace_is_found() -> None:
    assert len(check_text(workplace_names, "README.md", f"cd {WORKPLACE[0]}main")) == 1
    assert check_text(workplace_names, "README.md", "the network/transport of a worker") == []
