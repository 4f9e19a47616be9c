"""Show people how far their long work has got, live."""

from importlib.metadata import version

from .core.operation import Snapshot
from .delivery.webhooks import Webhook
from .errors import (
    Busy,
    Cancelled,
    Failure,
    Forbidden,
    ProgressError,
    RequestError,
    Unauthorized,
)
from .reporting.remote import RemoteReporter, remote
from .runner.created import Created
from .runner.reporter import Reporter, Step, track
from .settings import Limits, Retention, Settings, Timing, WebhookSettings
from .web.app import Progress
from .web.processing import ProcessingMiddleware

__all__ = [
    "Busy",
    "Cancelled",
    "Created",
    "Failure",
    "Forbidden",
    "Limits",
    "ProcessingMiddleware",
    "Progress",
    "ProgressError",
    "RemoteReporter",
    "Reporter",
    "RequestError",
    "Retention",
    "Settings",
    "Snapshot",
    "Step",
    "Timing",
    "Unauthorized",
    "Webhook",
    "WebhookSettings",
    "remote",
    "track",
]

__version__ = version("progress-server")
