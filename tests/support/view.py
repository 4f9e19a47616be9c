"""What a client does with what it is sent (ARCHITECTURE.md, "What a client does"), in Python."""

from __future__ import annotations

from progress.core.cursor import ZERO, Cursor
from progress.core.event import LogEvent, OutputEvent, ProgressEvent, StateEvent
from progress.core.frames import Bye, Gap, Message, Ping, SnapshotNotice, decode
from progress.core.operation import ENDED, Snapshot, fold

from .sse import Dispatched, Parser

_BEGINNING = str(ZERO)


class View:
    """All that a client knows, over any number of connections."""

    def __init__(self) -> None:
        self.snapshots: dict[str, Snapshot] = {}
        self.lossless: dict[Cursor, Message] = {}
        """Once per cursor, in the order of arrival."""
        self.terminal: list[str] = []
        """Operations by terminal state event seen."""
        self.gaps: list[Gap] = []
        self.last_event_id = ""
        self.bye: Bye | None = None
        self._unconfirmed: set[str] | None = None
        self._parser = Parser()

    def connect(self, after: str | None = None) -> str | None:
        """Begin a connection; return the `Last-Event-ID` to send, if there is one.

        `after` is the cursor it begins from otherwise, if it does.
        """
        self._parser = Parser()
        self.bye = None
        # From the beginning it starts over: what is not shown again by the first bookmark is gone.
        if (self.last_event_id or after or _BEGINNING) == _BEGINNING:
            self._unconfirmed = set(self.snapshots)
        return self.last_event_id or None

    def feed(self, data: bytes) -> list[Message]:
        """Take bytes as they come; return the messages that are complete by then."""
        return [self.take(event) for event in self._parser.feed(data)]

    def take(self, event: Dispatched) -> Message:
        """Take one event."""
        message = decode(event.data.encode())
        assert event.type == message.__struct_config__.tag
        if event.last_event_id:
            before = Cursor.parse(self.last_event_id) if self.last_event_id else ZERO
            now = Cursor.parse(event.last_event_id)
            assert now.epoch != before.epoch or now >= before or self._may_go_back(message)
            self.last_event_id = event.last_event_id
        self.apply(message)
        return message

    def apply(self, message: Message) -> None:
        """Take one message, whatever brought it."""
        match message:
            case SnapshotNotice():
                self.snapshots[message.operation] = message.snapshot
                if self._unconfirmed is not None:
                    self._unconfirmed.discard(message.operation)
            case StateEvent() | ProgressEvent() | LogEvent() | OutputEvent():
                self._event(message)
            case Gap():
                self.gaps.append(message)
                if message.reason != "trimmed":
                    self._unconfirmed = set(self.snapshots)
            case Ping():
                for operation in self._unconfirmed or ():
                    del self.snapshots[operation]
                self._unconfirmed = None
            case Bye():
                self.bye = message

    def _may_go_back(self, message: Message) -> bool:
        return isinstance(message, Gap) and message.reason in ("epoch", "future")

    def _event(self, event: StateEvent | ProgressEvent | LogEvent | OutputEvent) -> None:
        if not isinstance(event, ProgressEvent):
            self.lossless.setdefault(event.cursor, event)
        if isinstance(event, StateEvent) and event.state in ENDED:
            self.terminal.append(event.operation)
        held = self.snapshots.get(event.operation)
        if held is not None and event.cursor > held.cursor:
            self.snapshots[event.operation] = fold(held, event)
