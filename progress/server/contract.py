"""What our protocols use of uvicorn and websockets beyond what those promise.

If a new version lacks any of it, the server says so and serves by the portable path.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import version
from inspect import signature
from types import CodeType

from uvicorn.config import Config
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState
from websockets.protocol import Protocol

__all__ = ["UVICORN", "Contract", "broken"]


class Contract:
    """A class, the methods that are called or overridden, and the attributes that are used."""

    def __init__(self, library: str, owner: type, methods: dict[str, str], attributes: str) -> None:
        """`methods` are their parameters by name; `attributes` are those `__init__` sets."""
        self.library = library
        self.owner = owner
        self.methods = methods
        self.attributes = attributes.split()

    def broken(self) -> Iterator[str]:
        """What does not hold any more, each a sentence."""
        who = f"{self.library} {version(self.library)}: {self.owner.__name__}"
        for name, expected in self.methods.items():
            method = next(
                (vars(one)[name] for one in self.owner.__mro__ if self._has(one, name)), None
            )
            if method is None:
                yield f"{who} has no method {name} any more"
            elif (found := " ".join(list(signature(method).parameters)[1:])) != expected:
                yield f"{who}.{name} takes ({found}), and not ({expected}) any more"
        for name in set(self.attributes).difference(_mentioned(vars(self.owner)["__init__"])):
            yield f"{who} has no attribute {name} any more"

    def _has(self, owner: type, name: str) -> bool:
        """Whether it is the library's own: asyncio's base classes have some of that name."""
        return owner.__module__.startswith(self.library) and name in vars(owner)


UVICORN = (
    Contract(
        "uvicorn",
        HttpToolsProtocol,
        {
            "__init__": "config server_state app_state _loop",
            "connection_made": "transport",
            "connection_lost": "exc",
            "data_received": "data",
            "handle_websocket_upgrade": "",
            "on_message_begin": "",
            "on_headers_complete": "",
            "on_body": "body",
            "on_message_complete": "",
            "on_response_complete": "",
            "send_400_response": "msg",
            "_get_upgrade": "",
            "_start_asgi_task": "cycle app",
        },
        "app app_state client config connections cycle flow headers loop parser pipeline scope"
        " server_state transport ws_protocol_class",
    ),
    Contract(
        "uvicorn",
        RequestResponseCycle,
        {"send": "message"},
        "chunked_encoding disconnected expected_content_length flow keep_alive message_event"
        " more_body response_complete response_started scope transport",
    ),
    Contract(
        "uvicorn",
        FlowControl,
        {"drain": "", "resume_reading": ""},
        "read_paused write_paused",
    ),
    Contract("uvicorn", ServerState, {}, "connections tasks total_requests default_headers"),
    Contract("uvicorn", Config, {}, "ws_per_message_deflate"),
    Contract("uvicorn", ProxyHeadersMiddleware, {}, "trusted_hosts"),
    Contract(
        "uvicorn",
        WebSocketsSansIOProtocol,
        {
            "__init__": "config server_state app_state _loop",
            "connection_lost": "exc",
            "data_received": "data",
            "on_task_complete": "task",
            "run_asgi": "",
            "send": "message",
            "start_keepalive": "",
            "stop_keepalive": "",
        },
        "app_state asgi_version client close_sent conn connections default_headers disconnected"
        " handshake_complete handshake_initiated initial_response logger loop queue root_path"
        " scheme server tasks transport writable",
    ),
    Contract(
        "websockets",
        Protocol,
        {
            "parse": "",
            "receive_data": "data",
            "events_received": "",
            "data_to_send": "",
        },
        "close_rcvd max_fragment_size max_message_size parser state",
    ),
)


def broken(contracts: tuple[Contract, ...] = UVICORN) -> list[str]:
    """What does not hold any more of all contracts."""
    return [sentence for contract in contracts for sentence in contract.broken()]


def _mentioned(value: object) -> set[str]:
    """The names of attributes that a function's code mentions."""
    code: CodeType | None = getattr(value, "__code__", None)
    return set() if code is None else set(code.co_names)
