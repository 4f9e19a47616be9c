"""Fan-out: hands each frame to every subscriber that wants it, and catches the others up."""

from .hub import Hub
from .interest import Permits, Subscription
from .subscriber import CloseReason, Connection, Sink, Subscriber

__all__ = ["CloseReason", "Connection", "Hub", "Permits", "Sink", "Subscriber", "Subscription"]
