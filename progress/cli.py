"""The command line: `progress serve APP`, `progress report URL`."""

from __future__ import annotations

import importlib
import os
import sys
from inspect import iscoroutinefunction
from typing import cast

import click
from starlette.types import ASGIApp

from .errors import ConfigurationError
from .reporting.command import report
from .server.serve import listen
from .server.serve import serve as run_server
from .settings import Settings
from .web.access import is_loopback
from .web.app import Progress

__all__ = ["main"]


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="progress-server", message="progress %(version)s")
def main() -> None:
    """Show people how far their long work has got."""


main.add_command(report)


@main.command()
@click.argument("app", metavar="APP")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    default=8000,
    show_default=True,
    help="Port to listen on; 0 is any free one.",
)
@click.option("--open", "is_open", is_flag=True, help="Let everybody who reaches it do everything.")
@click.option(
    "--set",
    "settings",
    metavar="GROUP.FIELD=VALUE",
    multiple=True,
    help="A setting, e.g. timing.heartbeat=5; again for more.",
)
@click.option(
    "--forwarded-allow-ips",
    metavar="ADDRESSES",
    help="Proxies whose X-Forwarded-For is believed: addresses, networks or '*', with commas."
    "  [default: 127.0.0.1, or the environment's FORWARDED_ALLOW_IPS]",
)
@click.option(
    "--interim",
    type=click.Choice(["off", "direct", "proxied"]),
    help="Send 102 Processing to who asks for it: off, to clients without a proxy, or also through"
    " proxies that forward it.  [default: off, or PROGRESS_INTERIM]",
)
@click.option(
    "--log-level",
    type=click.Choice(["critical", "error", "warning", "info", "debug"]),
    default="info",
    show_default=True,
    help="What to log, on standard error.",
)
def serve(
    app: str,
    host: str,
    port: int,
    is_open: bool,
    settings: tuple[str, ...],
    forwarded_allow_ips: str | None,
    interim: str | None,
    log_level: str,
) -> None:
    """Serve APP, a `module:attribute` that is a Progress() or an application that mounts one.

    Modules are looked up from the current directory, too. Ctrl-C and SIGTERM stop it in an
    orderly way: operations first, then the streams.
    """
    if interim is not None:
        settings = (*settings, f"interim={interim}")
    for setting in settings:
        _set(setting)
    try:
        loaded = _load(app)
        used = loaded.settings if isinstance(loaded, Progress) else Settings.from_environment()
    except ConfigurationError as error:
        raise click.ClickException(str(error)) from error
    is_guarded = isinstance(loaded, Progress) and loaded.is_guarded
    if not (is_loopback(host) or is_guarded or is_open):
        raise click.UsageError(
            f"{host} can be reached from other machines, and nobody is asked who they are: give "
            "Progress an authorize=…, or say --open"
        )
    try:
        listener = listen(host, port)
    except OSError as error:
        raise click.ClickException(
            f"cannot listen on {host}:{port}: {error.strerror}; try another --port"
        ) from error
    run_server(
        loaded,
        listener,
        used,
        log_level=log_level,
        forwarded_allow_ips=forwarded_allow_ips,
    )


def _set(setting: str) -> None:
    """Put a setting where APP reads it when it is imported."""
    name, equals, value = setting.partition("=")
    variable = "PROGRESS_" + name.replace(".", "_").upper()
    if not equals:
        raise click.UsageError(f"--set {setting}: write GROUP.FIELD=VALUE")
    if variable not in Settings.variables():
        known = ", ".join(Settings.variables())
        raise click.ClickException(f"{variable} is not a setting; there are {known}")
    os.environ[variable] = value


def _load(path: str) -> ASGIApp:
    module_name, colon, attribute = path.partition(":")
    if not (module_name and colon and attribute):
        raise click.UsageError(f"{path!r}: APP has to be module:attribute, e.g. examples.demo:app")
    if module_name.startswith("."):
        raise click.UsageError(f"{module_name!r} is relative: name the module from here on")
    sys.path.insert(0, os.getcwd())
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise  # the module is there, something that it imports is not
        raise click.UsageError(
            f"there is no module {module_name!r}, neither installed nor in {os.getcwd()}"
        ) from error
    found: object = module
    for name in attribute.split("."):
        if not hasattr(found, name):
            raise click.UsageError(f"{module_name} has no {attribute!r}")
        found = getattr(found, name)
    # An ASGI application is an async function, or an object that is called like one.
    if not (iscoroutinefunction(found) or iscoroutinefunction(type(found).__call__)):
        raise click.UsageError(f"{path} is not an ASGI application")
    return cast("ASGIApp", found)
