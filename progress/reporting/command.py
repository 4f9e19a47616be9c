"""`progress report`: what a shell script, a cron entry or a Makefile reports with."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import partial
from math import isnan
from typing import get_args

import click
import msgspec
from click.core import ParameterSource
from msgspec import Raw

from progress.core.event import Level, StepState
from progress.core.report import (
    CancelledLine,
    FailedLine,
    Line,
    LogLine,
    OutputLine,
    ProgressLine,
    StepLine,
    SucceededLine,
)
from progress.errors import ConfigurationError

from .piped import CANCEL_REQUESTED, NOT_TAKEN, Pipe, pump
from .posting import AwayFor, Gone, Place, Refused, Rejected, Started, Took

__all__ = ["report"]


class _Number(click.FloatRange):
    """A number in a range, which NaN is not."""

    def convert(
        self, value: float, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Read one."""
        number: float = super().convert(value, param, ctx)
        if isnan(number):
            self.fail(f"{value} is not a number.", param, ctx)
        return number


class _Text(click.ParamType[str]):
    """Text as it can be sent: an argument may be any bytes."""

    name = "text"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Read one."""
        return value.encode(errors="surrogateescape").decode(errors="replace")


_AMOUNT = _Number(0, 2**53)
_TEXT = _Text()


class _Json(click.ParamType[Raw]):
    """JSON, or else text that becomes a JSON string."""

    name = "json"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> Raw:
        """Read one."""
        text = _TEXT.convert(value, param, ctx)
        try:
            return msgspec.json.decode(text.encode(), type=Raw)
        except msgspec.DecodeError:
            return Raw(msgspec.json.encode(text))


@click.command()
@click.argument("url", metavar="URL")
@click.argument("source", metavar="[-]", type=click.Choice(["-"]), required=False)
@click.option(
    "--start", type=_TEXT, metavar="LABEL", help="Start an operation at a server's URL; print its."
)
@click.option(
    "--lease",
    type=_Number(1, 86_400),
    default=60.0,
    show_default=True,
    help="Seconds without a report after which it is lost; three times in it - says that it lives.",
)
@click.option(
    "--tag", "tags", type=_TEXT, metavar="NAME=VALUE", multiple=True, help="With --start: a label."
)
@click.option("--step", type=_TEXT, metavar="ID", help="This is about that step, and starts it.")
@click.option(
    "--state",
    type=click.Choice([state.value for state in StepState]),
    help="Of the step; it runs unless another one is given.",
)
@click.option(
    "--parent", type=_TEXT, metavar="ID", help="Of the step: the one that it stands below."
)
@click.option("--label", type=_TEXT, help="Of the step, for people.")
@click.option("--weight", type=_Number(0, 2**53, min_open=True), help="Of the step, in the whole.")
@click.option("--completed", type=_AMOUNT, help="How much is done.")
@click.option("--total", type=_AMOUNT, help="How much there is to do.")
@click.option("--unit", type=_TEXT, help="What is counted, e.g. files.")
@click.option("--message", type=_TEXT, help="What it is at just now.")
@click.option("--log", type=_TEXT, metavar="TEXT", help="A line for people.")
@click.option("--level", type=click.Choice(get_args(Level)), default="info", help="Of that line.")
@click.option("--output", type=_Json(), help="A partial result.")
@click.option(
    "--succeeded",
    type=_Json(),
    is_flag=False,
    flag_value="null",
    metavar="[JSON]",
    help="The operation has ended well, with this result.",
)
@click.option("--failed", type=_TEXT, metavar="TEXT", help="The operation has ended, and why.")
@click.option("--cancelled", is_flag=True, help="The operation has stopped, as it was asked to.")
@click.option(
    "--token", envvar="PROGRESS_TOKEN", help="Sent as Authorization: Bearer.  [also PROGRESS_TOKEN]"
)
def report(
    url: str,
    source: str | None,
    start: str | None,
    lease: float,
    tags: tuple[str, ...],
    token: str | None,
    **given: object,
) -> None:
    """Report to URL, an operation's or, with --start, a server's.

    With `-` lines of JSON come from standard input, and are sent as they come. Without anything to
    say it says that the work lives. The exit status is 0, 1 if something was not taken, 2 if it
    cannot be asked like that, and 3 if the operation is asked to stop.
    """
    if start is None:
        _check_starting(bool(tags), source)
    try:
        place = Place(url, token)
    except ConfigurationError as error:
        raise click.UsageError(str(error)) from error
    click.get_current_context().call_on_close(place.close)
    if start is not None:
        _start(place, start, lease, dict(map(_pair, tags)))
    if not place.id:
        raise click.UsageError(f"{url} is no operation's URL: start one with --start LABEL")
    lines = [msgspec.json.encode(line) for line in _lines(**given)]  # type: ignore[arg-type]
    if source is not None:
        sys.exit(pump(Pipe(0), place, lines, lease, partial(_say, place)))
    elif lines or start is None:
        _tell(place, place.report(lines))


def _check_starting(has_tags: bool, source: str | None) -> None:
    given = click.get_current_context().get_parameter_source("lease")
    if has_tags or (source is None and given is ParameterSource.COMMANDLINE):
        raise click.UsageError("--tag and --lease are of what is started: give --start LABEL")


def _start(place: Place, label: str, lease: float, labels: dict[str, str]) -> None:
    if place.id:
        raise click.UsageError("--start wants a server's URL, as in http://127.0.0.1:8000")
    match place.start(label, lease, labels):
        case Started():
            click.echo(place.url)
        case Rejected(detail=detail) | AwayFor(detail=detail):
            _fail(place, detail)


def _lines(
    step: str | None,
    state: str | None,
    parent: str | None,
    label: str | None,
    weight: float | None,
    log: str | None,
    level: Level,
    output: Raw | None,
    succeeded: Raw | None,
    failed: str | None,
    cancelled: bool,
    **progress: float | str | None,
) -> Iterator[Line]:
    """What the options say, in the order in which it makes sense."""
    ends = _ends(succeeded, failed, cancelled)
    about = {"state": state, "parent": parent, "label": label, "weight": weight}
    told = {name: value for name, value in about.items() if value is not None}
    counted = {name: _plain(value) for name, value in progress.items() if value is not None}
    _check(step, bool(told), len(ends))
    is_over = state not in (None, StepState.PENDING, StepState.RUNNING)
    if is_over:
        del told["state"]
    if step is not None and (told or counted or (log is None and not is_over)):
        yield msgspec.convert({"type": "step", "id": step, **told}, StepLine)
    if counted:
        yield msgspec.convert({"type": "progress", "step": step, **counted}, ProgressLine)
    if log is not None:
        yield LogLine(message=log, level=level, step=step)
    if output is not None:
        yield OutputLine(data=output)
    if step is not None and is_over:
        yield StepLine(id=step, state=StepState(str(state)))
    yield from ends


def _ends(succeeded: Raw | None, failed: str | None, cancelled: bool) -> list[Line]:
    given: list[Line] = []
    if succeeded is not None:
        given.append(SucceededLine(result=succeeded))
    if failed is not None:
        given.append(FailedLine(error=failed))
    if cancelled:
        given.append(CancelledLine())
    return given


def _check(step: str | None, is_told: bool, ends: int) -> None:
    if step is None and is_told:
        raise click.UsageError("--state, --parent, --label and --weight are a step's: give --step")
    if step is not None and ends:
        raise click.UsageError("--succeeded and the like end the operation; a step ends by --state")
    if ends > 1:
        raise click.UsageError("give one of --succeeded, --failed and --cancelled: it ends once")


def _plain(value: float | str) -> float | str:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _tell(place: Place, answer: Took | Refused | Gone | Rejected | AwayFor) -> None:
    match answer:
        case Took(cancel_requested=True):
            _say(place, "it is asked to stop")
            sys.exit(CANCEL_REQUESTED)
        case Took():
            pass
        case Refused(taken=taken, detail=detail):
            _fail(place, f"{detail} (line {taken + 1}; those before it stand)")
        case Gone(detail=detail) | Rejected(detail=detail) | AwayFor(detail=detail):
            _fail(place, detail)


def _say(place: Place, text: str) -> None:
    click.echo(f"{place.url}: {text}", err=True)


def _fail(place: Place, detail: str) -> None:
    _say(place, f"not taken: {detail}")
    sys.exit(NOT_TAKEN)


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise click.UsageError(f"--tag {text}: write NAME=VALUE")
    return name, value
