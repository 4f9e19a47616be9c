"""Every error of this package. It knows no HTTP: `web/problems.py` maps it, in one table.

ProgressError
├── RequestError            whoever asked has to change something
│   ├── Malformed               not JSON, or not HTTP as it should be
│   ├── BadCursor               not of the form <epoch>-<n>
│   ├── Unauthorized            who are you?
│   ├── Forbidden               not yours
│   ├── UnknownKind             no such kind of operation
│   ├── NotFound                no such operation, or no such page
│   ├── Expired                 there was one, it is no longer kept
│   ├── Ended                   it is over: there is nothing to cancel, and nothing to report
│   ├── Conflict                not in the state that it is in
│   ├── TooLarge                over a bound of `settings.Limits`
│   ├── UnsupportedMediaType    operations start with JSON only
│   ├── InvalidParams           JSON, but not what was asked for
│   ├── KeyReused               an Idempotency-Key that another body came with
│   └── Busy                    come back later
│       ├── Crowded             too many connections
│       └── Draining            this process is stopping
├── ConfigurationError      whoever wrote or started the server has to change something
│   ├── SettingsError           an argument or environment variable
│   ├── KindError               a function that cannot be an operation
│   └── NotRunning              the lifespan was not run
├── ReportError             the operation's author reported something impossible
└── Failure                 raised by the operation's author, to fail with a type of its own
Cancelled                   (a BaseException) raised by a report in a worker thread
"""

from __future__ import annotations

from typing import ClassVar, NamedTuple

__all__ = [
    "BadCursor",
    "Busy",
    "Cancelled",
    "ConfigurationError",
    "Conflict",
    "Crowded",
    "Draining",
    "Ended",
    "Expired",
    "Failure",
    "FieldError",
    "Forbidden",
    "InvalidParams",
    "KeyReused",
    "KindError",
    "Malformed",
    "NotFound",
    "NotRunning",
    "ProgressError",
    "ReportError",
    "RequestError",
    "SettingsError",
    "TooLarge",
    "Unauthorized",
    "UnknownKind",
    "UnsupportedMediaType",
]


class ProgressError(Exception):
    """Base of all errors of this package."""


class FieldError(NamedTuple):
    """One thing wrong with one field: a JSON Pointer fragment (RFC 6901 §6) and what to do."""

    pointer: str
    detail: str


class RequestError(ProgressError):
    """Something was asked for that cannot be done as asked. Nothing was created or lost."""

    slug: ClassVar[str]
    title: ClassVar[str]

    def __init__(self, detail: str, errors: tuple[FieldError, ...] = ()) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errors = errors


class Malformed(RequestError):
    """The request is not well-formed."""

    slug, title = "malformed", "The request is not well-formed"


class BadCursor(RequestError):
    """The cursor is not of the form `<epoch>-<n>`."""

    slug, title = "bad-cursor", "That is not a cursor"


class Unauthorized(RequestError):
    """Raise it in `authorize` where nobody, or nobody known, is asking.

    `challenge` is the value of `WWW-Authenticate` (RFC 9110 §11.6.1).
    """

    slug, title = "unauthorized", "Authentication is needed"

    def __init__(self, detail: str = "send credentials", challenge: str = "Bearer") -> None:
        super().__init__(detail)
        self.challenge = challenge


class Forbidden(RequestError):
    """Raise it in `authorize` where the one who asks may not."""

    slug, title = "forbidden", "Not allowed"

    def __init__(self, detail: str = "these credentials do not allow it") -> None:
        super().__init__(detail)


class UnknownKind(RequestError):
    """No operation function is registered under that name."""

    slug, title = "unknown-kind", "There is no such kind of operation"


class NotFound(RequestError):
    """There is nothing there, or nothing that the one who asks may see."""

    slug, title = "not-found", "There is nothing here"


class Expired(RequestError):
    """The operation was here once and is no longer kept."""

    slug, title = "expired", "That operation is no longer kept"


class Ended(RequestError):
    """The operation has ended."""

    slug, title = "ended", "That operation has ended"

    def __init__(self, id: str, state: str) -> None:
        super().__init__(f"operation {id} is over: it is {state}")


class Conflict(RequestError):
    """It cannot be done in the state that the operation, or its step, is in."""

    slug, title = "conflict", "That cannot be done now"


class TooLarge(RequestError):
    """The request is over one of the bounds of `settings.Limits`."""

    slug, title = "too-large", "That is too large"


class UnsupportedMediaType(RequestError):
    """The body is not said to be JSON, or lines of it. `accepted` is what it has to be."""

    slug, title = "unsupported-media-type", "The body has to be JSON"

    def __init__(self, accepted: str = "application/json") -> None:
        super().__init__(f"send the header Content-Type: {accepted}")
        self.accepted = accepted


class InvalidParams(RequestError):
    """Well-formed, but not what this kind, route or filter takes. `errors` says where."""

    slug, title = "invalid-params", "The parameters are not valid"


class KeyReused(RequestError):
    """The `Idempotency-Key` belongs to another request."""

    slug, title = "key-reused", "That key was used already"

    def __init__(self) -> None:
        super().__init__("this Idempotency-Key came with another body before: choose a new one")


class Busy(RequestError):
    """There is no room just now; try again after `retry_after` seconds."""

    slug, title = "busy", "The server is busy"

    def __init__(self, detail: str, retry_after: int = 5) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class Draining(Busy):
    """This process is stopping and starts nothing new."""

    def __init__(self) -> None:
        super().__init__("the server is stopping; try again in a few seconds")


class Crowded(Busy):
    """There are as many connections as there may be, in all or from one address."""

    def __init__(self) -> None:
        super().__init__("there are too many connections; try again in a few seconds")


class ConfigurationError(ProgressError):
    """The server, or the application it serves, is set up wrong."""


class SettingsError(ConfigurationError):
    """An argument or environment variable has a value that cannot be."""


class KindError(ConfigurationError):
    """This function cannot be an operation; the message says what to change."""


class NotRunning(ConfigurationError):
    """The application's lifespan was not run by the one who mounted it."""

    slug, title = "not-running", "The application was not started"

    def __init__(self) -> None:
        self.detail = (
            "the lifespan of Progress was not run: pass lifespan=app.lifespan, where app is your "
            "Progress(), to the Starlette(...) or FastAPI(...) that mounts it"
        )
        super().__init__(self.detail)


class ReportError(ProgressError):
    """A report that cannot be: NaN, a negative weight, or after the operation's end."""


class Failure(ProgressError):
    """Raise it in an operation to end it as `failed` with a problem type of your own.

    `type` is a slug such as `"outside-root"`, which becomes `urn:progress:problem:outside-root`,
    or a URI, which stays as it is. `detail` is shown to whoever follows the operation.
    """

    def __init__(self, type: str, detail: str, title: str | None = None) -> None:
        super().__init__(detail)
        self.type = str(type)
        self.detail = str(detail)
        self.title = title or self.type.rpartition(":")[2].replace("-", " ").capitalize()


class Cancelled(BaseException):
    """Raised by a report in a worker thread once the operation is to stop.

    A `BaseException`, as `asyncio.CancelledError` is, so that `except Exception` does not
    swallow it. Clean up in `finally` and let it pass; it is raised once, so that the clean-up
    itself may still report.
    """
