"""All bounds and timings: frozen groups, read once, from arguments or the environment.

`PROGRESS_<GROUP>_<FIELD>` sets a field, e.g. `PROGRESS_TIMING_HEARTBEAT=15`; `PROGRESS_HOSTS`,
`PROGRESS_ORIGINS`, `PROGRESS_INTERIM` and `PROGRESS_DEBUG` stand alone. Durations are seconds,
sizes are bytes.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from difflib import get_close_matches
from ipaddress import ip_network
from types import NoneType
from typing import Annotated, Literal, Union, get_args, get_origin

import msgspec
from msgspec import Meta, Struct

from .errors import SettingsError

__all__ = ["Limits", "Retention", "Settings", "Timing", "WebhookSettings"]

_PREFIX = "PROGRESS_"
_CLOSE = 0.94
"""How much of a name is right, if it is a misspelled one."""

_HOST = re.compile(r"\*|(?:\*\.)?[^*/:\s\[\]]+|[0-9A-Fa-f:.]+")
"""`*`, a name, the sub-domains of a name, or an address; no scheme, and no port."""

_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://(?:[a-z0-9._~-]+|\[[0-9a-f:.]+\])(?::[0-9]+)?")
"""What a browser sends: in lower case, and not `null`, which pages of all sorts send."""

_DEFAULT_PORT = re.compile(r"http://.*:80|https://.*:443")
"""It does not send those."""

_AS_SENT = (
    "* or as a browser sends it, like https://app.example.org:8443: in lower case, without"
    " a path, a slash at the end or a port that goes without saying"
)

_Count = Annotated[int, Meta(ge=1)]
_Bytes = Annotated[int, Meta(ge=1024)]
_Seconds = Annotated[float, Meta(gt=0, le=86_400 * 366)]


class Limits(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much of everything there may be at once."""

    running: _Count = 100
    """Operations that run at the same time; the others are `queued`."""
    queued: _Count = 1_000
    """Operations that wait; beyond it a start is refused with `busy`."""
    external: _Count = 1_000
    """Operations that run elsewhere and report here; beyond it a start is refused with `busy`."""
    journal: _Count = 1_000
    """Lossless events kept for each operation, for readers that are behind."""
    journal_bytes: _Bytes = 1_048_576
    """Bytes of lossless events kept for each operation."""
    steps: _Count = 1_000
    """Steps of one operation: a snapshot carries them all."""
    log: _Bytes = 8_192
    """Bytes of one log line or message; a longer one is cut, and says so."""
    event: _Bytes = 65_536
    """Bytes of one output or result; a larger one fails the operation with `too-large`."""
    body: _Bytes = 1_048_576
    """Bytes of a request body."""
    labels: _Count = 32
    """Labels of one operation, each at most 256 characters."""
    sink: _Bytes = 65_536
    """Bytes buffered for one subscriber before it counts as lagging."""
    subscribers: _Count = 20_000
    """Subscribers in all; the next one is told to come back later."""
    subscriptions: _Count = 128
    """Subscriptions of one WebSocket."""
    message: _Bytes = 65_536
    """Bytes of one message from a WebSocket, over all its fragments."""
    messages: _Count = 200
    """Frames a second from one WebSocket, and as many at once."""
    connections: _Count = 20_000
    """Open connections in all; the next one's request is answered with `busy`."""
    connections_per_address: _Count | None = None
    """The same for one client's address. Unless given 1,000, and any number on loopback."""
    head: _Bytes = 32_768
    """Bytes of a request's head; an HTTP parser alone takes megabytes."""


class Timing(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long everything may take."""

    report: _Seconds = 0.1
    """Between two progress events of one step."""
    heartbeat: _Seconds = 15.0
    """Silence on a stream before a `ping`; Firefox gives up after about 30 s."""
    lag: _Seconds = 30.0
    """A subscriber that has taken nothing for so long is closed."""
    retry: _Seconds = 2.0
    """What a stream's `retry:` asks for, on average; each one differs by up to a half."""
    wait: _Seconds = 60.0
    """The longest `Prefer: wait`; proxies cut silent requests at about 60 s."""
    cleanup: _Seconds = 5.0
    """What an operation that was told to stop has for cleaning up."""
    head: _Seconds = 10.0
    """What a request's head may take, from its first byte; the same for a silent connection."""
    idle: _Seconds = 60.0
    """A WebSocket that is subscribed to nothing and calls nothing for so long is closed."""
    hold: _Seconds = 120.0
    """How long `/legacy` holds a connection before it answers 202: the longest `wait=N` there."""
    grace: _Seconds = 10.0
    """From the signal to the end of the process, half of it for the operations."""


class Retention(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long ended operations are kept. The oldest ended one goes first."""

    age: _Seconds = 3_600.0
    """Since the operation ended."""
    operations: _Count = 10_000
    """Ended operations kept."""
    bytes: _Bytes = 268_435_456
    """Journals, parameters and results of all operations together."""
    expired: _Count = 100_000
    """Ids remembered after that, so that `410 Gone` can be told from `404 Not Found`."""


class WebhookSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the server itself posts what becomes of all operations, and where others may let it."""

    url: str | None = None
    """The server's own webhook: it is told of each operation."""
    secret: tuple[str, ...] = ()
    """What signs it: `whsec_…`, or two of these while one replaces the other."""
    events: tuple[Literal["state", "progress"], ...] = ("state",)
    """What it is told: states, and progress at most once a second."""
    http: bool = False
    """Whether webhooks may go to `http://` URLs."""
    private: tuple[str, ...] = ()
    """Networks that webhooks may go to although they are not the internet, as in `10.0.0.0/8`."""
    pending: _Count = 10_000
    """Deliveries kept; if as many are pending, a start with a webhook is refused with `busy`."""

    def __repr__(self) -> str:
        """All but what may be secret: that goes into logs."""
        return f"WebhookSettings({', '.join(f'{k}={v!r}' for k, v in self.__rich_repr__())})"

    def __rich_repr__(self) -> list[tuple[str, object]]:
        return [(name, getattr(self, name)) for name in ("events", "http", "private", "pending")]


_GROUPS: dict[str, type[Struct]] = {
    "limits": Limits,
    "timing": Timing,
    "retention": Retention,
    "webhooks": WebhookSettings,
}
_ALONE = ("hosts", "origins", "interim", "debug")


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The groups, and what stands alone."""

    limits: Limits = Limits()
    timing: Timing = Timing()
    retention: Retention = Retention()
    webhooks: WebhookSettings = WebhookSettings()
    hosts: tuple[str, ...] = ()
    """`Host` names served besides loopback; `*.example.org` and `*` are understood."""
    origins: tuple[str, ...] = ()
    """Origins of other sites whose pages may use this server, as in `https://app.example.org`; `*`
    is all of them, without their cookies."""
    interim: Literal["off", "direct", "proxied"] = "off"
    """Whether `102 Processing` may be sent to who asks for it: never, to clients that come without
    a proxy, or through proxies that are known to forward it. Some clients and proxies take an
    interim for the answer, and then mix answers up."""
    debug: bool = False
    """Put the traceback of a failed operation into its `error`. Never in production."""

    def __post_init__(self) -> None:
        for field in msgspec.structs.fields(Settings):
            try:
                value = msgspec.convert(msgspec.to_builtins(getattr(self, field.name)), field.type)
                msgspec.structs.force_setattr(self, field.name, value)  # a dict was given, perhaps
            except msgspec.ValidationError as error:
                raise SettingsError(f"{field.name}: {error}") from error
        for host in self.hosts:
            if not _HOST.fullmatch(host):
                raise SettingsError(f"hosts: {host!r} has to be a name alone, as in localhost")
        for origin in self.origins:
            if origin != "*" and (not _ORIGIN.fullmatch(origin) or _DEFAULT_PORT.fullmatch(origin)):
                raise SettingsError(f"origins: {origin!r} has to be {_AS_SENT}")
        if "*" in self.origins and len(self.origins) > 1:
            raise SettingsError("origins: * has to stand alone; it would take others' cookies away")
        for network in self.webhooks.private:
            _check_network(network)

    @classmethod
    def variables(cls) -> list[str]:
        """The environment variables there are."""
        names = [
            f"{name}_{field.name}"
            for name, group in _GROUPS.items()
            for field in msgspec.structs.fields(group)
        ]
        return [f"PROGRESS_{name.upper()}" for name in (*names, *_ALONE)]

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Settings:
        """Read `PROGRESS_*` variables.

        Raises:
            SettingsError: a value that cannot be, or a variable that names no setting.
        """
        given = os.environ if environment is None else environment
        groups = tuple(f"{_PREFIX}{name.upper()}_" for name in _GROUPS)
        for name in sorted(given):
            # Who else has variables of our prefix is left alone; a misspelled setting is not.
            if name.startswith(_PREFIX) and not name.startswith(groups):
                _check_spelling(name, cls.variables())
        fields: dict[str, object] = {
            name: _group(group, f"PROGRESS_{name.upper()}_", given)
            for name, group in _GROUPS.items()
        }
        for name in ("hosts", "origins"):
            if listed := given.get(f"PROGRESS_{name.upper()}"):
                fields[name] = tuple(one.strip() for one in listed.split(",") if one.strip())
        if interim := given.get("PROGRESS_INTERIM"):
            fields["interim"] = interim
        if debug := given.get("PROGRESS_DEBUG"):
            fields["debug"] = _value("PROGRESS_DEBUG", debug, bool)
        return msgspec.convert(fields, cls)


def _check_network(text: str) -> None:
    try:
        ip_network(text)
    except ValueError as error:
        raise SettingsError(f"webhooks.private: {error}; write it as in 10.0.0.0/8") from error


def _check_spelling(name: str, known: list[str]) -> None:
    meant = get_close_matches(name, known, 1, _CLOSE)
    if meant and meant[0] != name:
        raise SettingsError(f"{name} is not a setting; is it {meant[0]}?")


def _group(group: type[Struct], prefix: str, given: Mapping[str, str]) -> Struct:
    known = {prefix + field.name.upper(): field for field in msgspec.structs.fields(group)}
    values = {}
    for variable in sorted(name for name in given if name.startswith(prefix)):
        if variable not in known:
            raise SettingsError(f"{variable} is not a setting; there are {', '.join(known)}")
        field = known[variable]
        values[field.name] = _value(variable, given[variable], field.type)
    return msgspec.convert(values, group)


def _value(variable: str, text: str, type: object) -> object:
    if get_origin(type) is Union:  # None is what is not given
        type = next(kind for kind in get_args(type) if kind is not NoneType)
    given: str | list[str] = text
    if get_origin(type) is tuple:
        given = re.split(r"[\s,]+", text.strip(" ,")) if text.strip(" ,") else []
    try:
        return msgspec.convert(given, type=type, strict=False)
    except msgspec.ValidationError as error:
        raise SettingsError(f"{variable}={text!r}: {error}") from error
