"""One attempt over real sockets: what a bad receiver may do, TLS, and where none is ever opened."""

from __future__ import annotations

import socket
import ssl
import subprocess
from pathlib import Path

import anyio
import httpx2
import pytest
from httpx2 import URL

from progress import Webhook
from progress.delivery.webhooks.addresses import Addresses, Refused
from progress.delivery.webhooks.sending import Resolve, Sender, explained, resolve
from progress.errors import InvalidParams
from tests.delivery.webhooks.test_target import FORMS_OF_LOOPBACK, OTHER_REFUSED
from tests.support.hooks import LOCAL, Clock, names, rig
from tests.support.process import free_port
from tests.support.receiver import Act, Receiver, answer, hang, receiving, reset

LOOPBACK = ("127.0.0.0/8",)
PUBLIC = "93.184.215.14"
NOWHERE = "the name has no address that may be called"
"""Which of the two it is may be known inside only."""


def sender(resolve: Resolve = resolve, seconds: float = 5.0) -> Sender:
    return Sender(Addresses(LOOPBACK), resolve, seconds)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The address of each connection; those that leave this machine fail at once."""
    found: list[str] = []
    connect = socket.socket.connect

    def recorded(self: socket.socket, address: tuple[str, int]) -> None:
        found.append(address[0])
        if not address[0].startswith("127."):
            raise ConnectionRefusedError(111, "nobody there")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", recorded)
    return found


async def flood(stream: anyio.abc.ByteStream) -> None:
    """Answer with megabytes."""
    await stream.send(b"HTTP/1.1 200 X\r\nContent-Length: 99999999\r\n\r\n")
    try:
        for _ in range(1_000):
            await stream.send(b"x" * 65_536)
    except anyio.BrokenResourceError:
        return
    raise AssertionError("somebody read it all")


async def drip(stream: anyio.abc.ByteStream) -> None:
    """Say at once that it is taken, and never come to an end."""
    await stream.send(b"HTTP/1.1 202 X\r\nContent-Length: 9\r\n\r\nx")
    await hang(stream)


async def gibberish(stream: anyio.abc.ByteStream) -> None:
    """Be another service."""
    await stream.send(b"SSH-2.0-secret-banner\r\n\r\n")


@pytest.mark.parametrize(
    ("act", "status"),
    [
        (answer(200), 200),
        (answer(200, body=b"x" * 100_000), 200),
        (answer(200, "Content-Encoding: gzip", body=b"no gzip"), 200),
        (answer(200, before=b"HTTP/1.1 102 X\r\n\r\nHTTP/1.1 103 X\r\nLink: </x>\r\n\r\n"), 200),
        (answer(410), 410),
        (answer(500), 500),
        (flood, 200),
        (drip, 202),
    ],
)
async def test_what_it_answers(act: Act, status: int) -> None:
    async with receiving(act) as receiver:
        with anyio.fail_after(5):
            got = await sender(seconds=1.0).post(URL(receiver.url), {"x-y": "z"}, b'{"a":1}')
        assert got.status == status
        [request] = receiver.requests
        assert request.line == "POST /hook?token=hidden HTTP/1.1"
        assert request.body == b'{"a":1}'
        assert request.fields == {
            "host": f"127.0.0.1:{receiver.port}",
            "connection": "close",
            "x-y": "z",
            "content-length": "7",
        }


async def test_it_says_when_to_come_back() -> None:
    async with receiving(answer(429, "Retry-After: 7")) as receiver:
        assert await sender().post(URL(receiver.url), {}, b"") == (429, "7")


@pytest.mark.parametrize(
    ("act", "said"),
    [
        (hang, "no answer within 0.2 s"),
        (reset, "the connection broke"),
        (gibberish, "what came was no answer in HTTP"),
    ],
)
async def test_what_is_no_answer(act: Act, said: str) -> None:
    async with receiving(act) as receiver:
        with pytest.raises((TimeoutError, httpx2.HTTPError)) as raised:
            await sender(seconds=0.2).post(URL(receiver.url), {}, b"")
        assert explained(raised.value) == said


async def test_nobody_listens() -> None:
    with pytest.raises(httpx2.ConnectError) as raised:
        await sender().post(URL(f"http://127.0.0.1:{free_port()}/"), {}, b"")
    assert explained(raised.value) == "no connection"


async def test_a_redirect_is_not_followed(opened: list[str]) -> None:
    async with receiving() as other:
        async with receiving(answer(301, f"Location: {other.url}")) as receiver:
            assert (await sender().post(URL(receiver.url), {}, b"")).status == 301
        assert other.connections == 0
    assert len(opened) == 1


async def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async with receiving() as proxy, receiving() as receiver:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        await sender().post(URL(receiver.url), {}, b"")
        assert (proxy.connections, receiver.connections) == (0, 1)


async def test_no_connection_is_kept() -> None:
    async with receiving() as receiver:
        one = sender()
        await one.post(URL(receiver.url), {}, b"")
        await one.post(URL(receiver.url), {}, b"")
        assert receiver.connections == 2


async def test_a_name_is_connected_to_by_the_address_that_was_checked(opened: list[str]) -> None:
    asked = []

    async def once(host: str, port: int) -> list[str]:
        asked.append((host, port))
        return ["127.0.0.2", "127.0.0.1"]  # nobody listens at the first

    async with receiving() as receiver:
        url = f"http://hooks.example:{receiver.port}/"
        assert (await sender(once).post(URL(url), {}, b"")).status == 204
        assert receiver.requests[0].fields["host"] == f"hooks.example:{receiver.port}"
        assert asked == [("hooks.example", receiver.port)]
    assert opened == ["127.0.0.2", "127.0.0.1"]


@pytest.mark.parametrize("host", [*FORMS_OF_LOOPBACK, *OTHER_REFUSED])
async def test_no_socket_to_a_refused_address(host: str, opened: list[str]) -> None:
    """Not even if a URL comes past the check at the start; the system resolves the odd forms."""
    only_internet = Sender(Addresses(()), resolve, 0.5)
    with pytest.raises((Refused, OSError, httpx2.InvalidURL)):
        await only_internet.post(URL(f"http://{host}:{free_port()}/"), {}, b"")
    assert opened == []


@pytest.mark.parametrize(
    "answers",
    [
        ["10.0.0.1"],
        [PUBLIC, "10.0.0.1"],
        ["10.0.0.1", PUBLIC],
        [PUBLIC] * 9 + ["169.254.169.254"],
        ["::1"],
        ["fe80::1%lo"],
        ["::ffff:10.0.0.1"],
        ["64:ff9b::a00:1"],
        ["2002:a00:1::"],
        ["nonsense"],
    ],
)
async def test_each_address_of_a_name_has_to_be_allowed(
    answers: list[str], opened: list[str]
) -> None:
    with pytest.raises(Refused) as raised:
        await sender(names(answers)).post(URL("https://hooks.example/"), {}, b"")
    assert opened == []
    assert explained(raised.value) == NOWHERE


async def test_a_name_without_an_address() -> None:
    with pytest.raises(OSError) as raised:  # noqa: PT011 - the words are what is looked at
        await sender(names([])).post(URL("https://hooks.example/"), {}, b"")
    assert explained(raised.value) == NOWHERE


async def test_a_name_that_changes_between_two_attempts(opened: list[str]) -> None:
    """DNS rebinding: it is resolved, and judged, for each attempt anew."""
    internet = LOCAL.__class__(http=True)
    async with (
        receiving() as receiver,
        rig(internet, resolve=names([PUBLIC], ["127.0.0.1"])) as world,
    ):
        world.start(Webhook(f"http://hooks.example:{receiver.port}/"))
        [dead] = await world.settles()
        assert receiver.connections == 0
    assert dead.state == "dead"
    errors = [attempt.error for attempt in dead.attempts]
    assert errors[0] == "no connection"
    assert set(errors[1:]) == {NOWHERE}
    assert opened == [PUBLIC]


async def test_nothing_is_started_for_a_literal(opened: list[str]) -> None:
    async with rig(clock=Clock()) as world:
        for url in ("https://10.0.0.1/", "https://127.0.0.1:22/", "https://a@127.0.0.1/"):
            with pytest.raises(InvalidParams):
                world.webhooks.check(Webhook(url))
    assert opened == []


# TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of `hooks.example` alone; it is its own authority."""
    folder = tmp_path_factory.mktemp("tls")
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    options = ["-subj", "/CN=hooks.example", "-addext", "subjectAltName=DNS:hooks.example"]
    options += ["-keyout", str(key), "-out", str(certificate)]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", *options]
    subprocess.run(command, check=True, capture_output=True)
    return certificate


@pytest.fixture
def served_names() -> list[str | None]:
    """What clients of `tls` have asked for (SNI)."""
    return []


@pytest.fixture
def tls(certificate: Path, served_names: list[str | None]) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, certificate.with_name("key.pem"))
    context.sni_callback = lambda _, name, __: served_names.append(name)
    return context


async def secure_post(receiver: Receiver, host: str) -> int:
    url = URL(f"https://{host}:{receiver.port}/x")
    return (await sender(names(["127.0.0.1"])).post(url, {}, b"{}")).status


async def test_tls_is_with_the_name(
    tls: ssl.SSLContext,
    served_names: list[str | None],
    certificate: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    async with receiving(tls=tls) as receiver:
        assert await secure_post(receiver, "hooks.example") == 204
        assert await secure_post(receiver, "hooks.example.") == 204
        assert served_names == ["hooks.example"] * 2
        assert receiver.requests[0].fields["host"] == f"hooks.example:{receiver.port}"


@pytest.mark.parametrize("host", ["other.example", "127.0.0.1"])
async def test_a_certificate_of_another_name(
    host: str, tls: ssl.SSLContext, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    async with receiving(tls=tls) as receiver:
        with pytest.raises(httpx2.ConnectError) as raised:
            await secure_post(receiver, host)
        assert explained(raised.value).endswith(" mismatch")
        assert receiver.requests == []


async def test_a_certificate_of_nobody_known(tls: ssl.SSLContext) -> None:
    async with receiving(tls=tls) as receiver:
        with pytest.raises(httpx2.ConnectError) as raised:
            await secure_post(receiver, "hooks.example")
        assert "self-signed" in explained(raised.value)
        assert receiver.requests == []
