"""One attempt: resolve, check every address, connect to one of these very addresses, and post.

Between the check and the connection nothing is resolved again, so a name cannot change in between
(DNS rebinding); the certificate is checked against the name all the same.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from socket import SOCK_STREAM, gaierror
from ssl import PROTOCOL_TLS_CLIENT, SSLCertVerificationError, SSLContext, SSLError
from typing import NamedTuple, TypeAlias

import anyio
import httpx2
from anyio import to_thread
from httpx2 import URL

from .addresses import Addresses, Refused
from .target import is_address

__all__ = ["SECONDS", "Answer", "Resolve", "Sender", "explained", "resolve"]

SECONDS = 10.0
"""An attempt takes at most so long, with all that belongs to it."""

_READ = 65_536
"""Bytes of an answer that are read, so that the receiver may end what it says."""

_TRIED = 4
"""Addresses of one name that are connected to, one after the other."""

Resolve: TypeAlias = Callable[[str, int], Awaitable[Sequence[str]]]
"""The addresses of a name.

Raises:
    OSError: it has none.
"""


class Answer(NamedTuple):
    """What is of interest of a response."""

    status: int
    retry_after: str | None


async def resolve(host: str, port: int) -> Sequence[str]:
    """Ask the system for the addresses of a name."""
    found = await anyio.getaddrinfo(host, port, type=SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class Sender:
    """Makes attempts. No connection serves a second one."""

    def __init__(self, addresses: Addresses, resolve: Resolve, seconds: float = SECONDS) -> None:
        self._addresses = addresses
        self._resolve = resolve
        self._seconds = seconds
        self._context: SSLContext | None = None
        self._making = anyio.Lock()

    async def post(self, url: URL, fields: Mapping[str, str], body: bytes) -> Answer:
        """Post a body; return what is answered, be it a redirect or an error.

        Raises:
            Refused: an address of it may not be called; nothing was connected to.
            TimeoutError: nothing was answered in time.
            httpx2.HTTPError, OSError: it cannot be reached, or speaks something else.
        """
        answer: Answer | None = None
        with anyio.move_on_after(self._seconds):
            addresses = await self._checked(url)
            async with self._answered(url, addresses, fields, body) as response:
                answer = Answer(response.status_code, response.headers.get("retry-after"))
                with suppress(httpx2.HTTPError):  # it has said what counts
                    await _skim(response)
        if answer is None:
            raise TimeoutError(f"no answer within {self._seconds:g} s")
        return answer

    async def _checked(self, url: URL) -> Sequence[str]:
        """The addresses to connect to, all of them allowed."""
        host = url.raw_host.decode("ascii")
        if is_address(host):
            found: Sequence[str] = (host,)
        else:
            found = await self._resolve(host, url.port or _port(url))
        if not found:
            raise gaierror("the name has no address")
        if not all(map(self._addresses.allows, found)):
            raise Refused("an address of that name may not be called")
        return found[:_TRIED]

    @asynccontextmanager
    async def _answered(
        self, url: URL, addresses: Sequence[str], fields: Mapping[str, str], body: bytes
    ) -> AsyncIterator[httpx2.Response]:
        seconds = self._seconds / len(addresses)
        for address in addresses:
            request = _request(url, address, fields, body, seconds)
            # A transport of its own: a pooled connection to an address could serve another name.
            async with httpx2.AsyncHTTPTransport(
                verify=await self._tls(url), trust_env=False, limits=_ONE, retries=0
            ) as transport:
                try:
                    response = await transport.handle_async_request(request)
                except (httpx2.ConnectError, httpx2.ConnectTimeout):
                    if address == addresses[-1]:
                        raise
                    continue  # nothing was sent yet
                try:
                    yield response
                finally:
                    await response.aclose()
                return

    async def _tls(self, url: URL) -> SSLContext:
        if url.scheme != "https":
            return _NO_TLS
        async with self._making:
            if self._context is None:  # all authorities are read: that takes 0.2 s
                self._context = await to_thread.run_sync(httpx2.create_ssl_context)
        return self._context


_NO_TLS = SSLContext(PROTOCOL_TLS_CLIENT)
"""It trusts nobody."""

_ONE = httpx2.Limits(max_connections=1, max_keepalive_connections=0)


def explained(error: BaseException) -> str:
    """An error in words for who gave the URL.

    It repeats nothing of what was read: that may be the banner of a service inside. Nor does it
    say whether a name exists that may not be called: that may be known inside only.
    """
    match error:
        case TimeoutError():
            return str(error)
        case httpx2.TimeoutException():
            return "no answer in time"
        case Refused() | gaierror():
            return "the name has no address that may be called"
        case httpx2.ConnectError():
            return _explained_tls(error) or "no connection"
        case httpx2.NetworkError():
            return "the connection broke"
        case httpx2.ProtocolError():
            return "what came was no answer in HTTP"
        case _:
            return "it could not be sent"


def _explained_tls(error: BaseException) -> str | None:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, SSLCertVerificationError):
            reason, _, _ = cause.verify_message.partition(",")  # after that comes the name
            return f"the certificate was not accepted: {reason}"
        if isinstance(cause, SSLError):
            return "TLS could not be agreed upon"
        cause = cause.__cause__ or cause.__context__
    return None


def _request(
    url: URL, address: str, fields: Mapping[str, str], body: bytes, seconds: float
) -> httpx2.Request:
    host = url.raw_host.decode("ascii").rstrip(".")
    timeout = httpx2.Timeout(None, connect=seconds).as_dict()
    return httpx2.Request(
        "POST",
        url.copy_with(host=address),
        headers={"host": url.netloc.decode("ascii"), "connection": "close", **fields},
        content=body,
        extensions={"sni_hostname": host, "timeout": timeout},
    )


async def _skim(response: httpx2.Response) -> None:
    """Read the body as it comes, not decompressed, up to a bound."""
    left = _READ
    # Cancelled, and not left in the middle: the library's generators would stay open.
    with anyio.CancelScope() as scope:
        async for chunk in response.stream:  # type: ignore[union-attr] # an async transport's is one
            left -= len(chunk)
            if left <= 0:
                scope.cancel()


def _port(url: URL) -> int:
    return 443 if url.scheme == "https" else 80
