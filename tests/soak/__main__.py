"""`python -m tests.soak [--seconds N] [--sse N] [--websocket N]`."""

from __future__ import annotations

import resource

import anyio
import click

from .run import Load, server, soak


@click.command()
@click.option("--seconds", default=300.0, show_default=True)
@click.option("--sse", default=2_000, show_default=True, help="Subscribers over SSE.")
@click.option("--websocket", default=500, show_default=True, help="Subscribers over WebSocket.")
def main(seconds: float, sse: int, websocket: int) -> None:
    """Let subscribers come and go, and tell what is left of them."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with server() as process:
        report = anyio.run(
            soak, process, Load(sse, websocket, seconds), backend_options={"use_uvloop": True}
        )
        for what, number in sorted(report.told.items()):
            click.echo(f"{number:>9,} {what}")
        click.echo(f"{report.subscribers:>9,} subscribers half-way")
        for when, weight in ("before", report.before), ("after", report.after):
            click.echo(
                f"{when}: {weight.census}, {weight.blocks:,} blocks, {weight.resident:,} bytes"
            )
        if report.misses:
            raise click.ClickException("; ".join(report.misses))
        click.echo("nothing is left of them")


main()
