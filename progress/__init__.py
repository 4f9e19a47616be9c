"""Show people how far their long work has got, live."""

from importlib.metadata import version

from .core.operation import Snapshot
from .errors import (
    Busy,
    Cancelled,
    Failure,
    Forbidden,
    ProgressError,
    RequestError,
    Unauthorized,
)
from .runner.created import Created
from .runner.reporter import Reporter, Step, track
from .settings import Limits, Retention, Settings, Timing
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
    "Reporter",
    "RequestError",
    "Retention",
    "Settings",
    "Snapshot",
    "Step",
    "Timing",
    "Unauthorized",
    "track",
]

__version__ = version("progress-server")
