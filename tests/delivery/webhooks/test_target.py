"""Which URLs and secrets are taken, what is said of the others, and that nothing secret shows."""

from __future__ import annotations

from base64 import b64encode

import msgspec
import pytest

from progress import Settings, Webhook, WebhookSettings
from progress.delivery.webhooks.addresses import Addresses
from progress.delivery.webhooks.target import Rules, Target, shown
from progress.errors import InvalidParams
from tests.support.hooks import OLD, SECRET

INTERNET = Rules(Addresses(()), http=False)
INSIDE = Rules(Addresses(("127.0.0.0/8", "fd00::/8")), http=True)

FORMS_OF_LOOPBACK = [
    "127.0.0.1", "127.255.255.254", "2130706433", "0x7f000001", "0x7F.1", "017700000001", "127.1",
    "127.0.1", "0177.0.0.1", "127.0.0.01", "0x7f.0x0.0x0.0x1", "127.0.0.1.", "%31%32%37.0.0.1",
    "\uff11\uff12\uff17.0.0.1", "127\u30020\u30020\u30021", "\u2460\u2461\u2466.0.0.1",
    "[::1]", "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]", "[::127.0.0.1]", "[64:ff9b::7f00:1]", "[64:ff9b::127.0.0.1]",
    "[64:ff9b:1::7f00:1]", "[2002:7f00:1::]", "[2002:7f00:0001::1]", "[::ffff:0:127.0.0.1]",
]  # fmt: skip

OTHER_REFUSED = [
    "0.0.0.0", "0", "[::]", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1",
    "169.254.169.254", "[::ffff:169.254.169.254]", "[64:ff9b::a9fe:a9fe]", "[2002:a9fe:a9fe::]",
    "[fd00:ec2::254]", "100.64.0.1", "100.127.255.255", "192.0.0.1", "192.0.2.1", "192.88.99.1",
    "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1",
    "255.255.255.255", "[fe80::1]", "[fe80::1%25eth0]", "[fe80::1%eth0]", "[2600::1%1]",
    "[fc00::1]", "[fec0::1]", "[ff02::1]", "[2001::1]", "[2001:0:7f00:1::]", "[2001:db8::1]",
    "[100::1]", "[3fff::1]", "[4000::1]", "[5f00::1]",
]  # fmt: skip


def problem(webhook: Webhook, rules: Rules = INTERNET) -> tuple[str, str]:
    """Where it is wrong, and what is said of it."""
    with pytest.raises(InvalidParams) as raised:
        Target.checked(webhook, rules)
    [(pointer, detail)] = raised.value.errors
    assert len(detail) > 10
    return pointer, detail


@pytest.mark.parametrize("host", [*FORMS_OF_LOOPBACK, *OTHER_REFUSED])
def test_addresses_that_are_not_the_internets(host: str) -> None:
    for port in ("", ":8443"):
        assert problem(Webhook(f"https://{host}{port}/"))[0] == "#/webhook/url"


@pytest.mark.parametrize(
    "host",
    [
        "8.8.8.8", "[2001:4860:4860::8888]", "[::ffff:8.8.8.8]", "[64:ff9b::808:808]",
        "[2002:808:808::1]", "example.org", "example.org.", "bücher.example", "a_b.example",
        "1.example", "127.0.0.1.example",
    ],
)  # fmt: skip
def test_what_may_be_called(host: str) -> None:
    Target.checked(Webhook(f"https://{host}/x?token=1"), INTERNET)


def test_a_setting_opens_networks() -> None:
    for host in ("127.0.0.1", "[::ffff:127.0.0.1]", "[fd00::1]"):
        Target.checked(Webhook(f"http://{host}:8000/"), INSIDE)
    for host in ("10.0.0.1", "[::1]", "[fe80::1]", "[fd00::1%1]"):
        problem(Webhook(f"http://{host}/"), INSIDE)


@pytest.mark.parametrize(
    "url",
    [
        "", "https:example.org", "example.org", "//example.org/", "http://example.org/", "ftp://example.org/",
        "file:///etc/passwd", "https:", "https://", "https:///x", "https://:443/",
        "https://user@example.org/", "https://user:pw@example.org/", "https://8.8.8.8@127.0.0.1/",
        "https://example.org\\@127.0.0.1/", "https://127.0.0.1\\.example.org/",
        "https://example.org#", "https://example.org/#x", "https://example.org#@127.0.0.1/",
        "https://exa mple.org/", "https://exam\nple.org/", "https://example.org/\r\nX: y",
        "https://example..org/", "https://.example.org/", "https://ex*mple.org/", "https://[::1/",
        "https://example.org:0/", "https://example.org:22/", "https://example.org:25/",
        "https://example.org:445/", "https://example.org:2049/", "https://example.org:6000/",
        "https://example.org:6667/", "https://example.org:10080/", "https://example.org:65536/",
        "https://example.org:-1/", "https://example.org:x/", f"https://{'a' * 64}.example/",
        f"https://example.org/{'a' * 2_048}", f"https://example.org/{'a' * 70_000}",
    ],
)  # fmt: skip
def test_what_is_no_url_for_a_webhook(url: str) -> None:
    assert problem(Webhook(url))[0] == "#/webhook/url"


@pytest.mark.parametrize("port", [80, 443, 1024, 8080, 8443, 65_535])
def test_ports(port: int) -> None:
    Target.checked(Webhook(f"https://example.org:{port}/"), INTERNET)


def secret(bytes: int) -> str:
    return "whsec_" + b64encode(b"x" * bytes).decode()


@pytest.mark.parametrize(
    "given",
    [
        "", "whsec_", "secret", SECRET.removeprefix("whsec_"), "whsec_!!!", "whsk_" + "a" * 40,
        "whsec_ä", secret(23), secret(65), SECRET + "*", [], [SECRET, OLD, SECRET], ["", SECRET],
        "whsec_" + "A" * 100_000,
    ],
)  # fmt: skip
def test_what_is_no_secret_is_not_repeated(given: str | list[str]) -> None:
    webhook = Webhook("https://example.org/", given)
    pointer, detail = problem(webhook)
    assert pointer == "#/webhook/secret"
    if given not in ("", "secret", "whsec_"):
        assert str(given) not in detail


@pytest.mark.parametrize(
    "given", [None, SECRET, SECRET.rstrip("="), secret(24), secret(64), [SECRET], [SECRET, OLD]]
)
def test_what_is_a_secret(given: str | list[str] | None) -> None:
    Target.checked(Webhook("https://example.org/", given), INTERNET)


def test_states_are_always_told() -> None:
    Target.checked(Webhook("https://example.org/", events=["progress", "state"]), INTERNET)
    for text in ('["progress"]', "[]", '["state","state","progress"]'):
        body = f'{{"url":"https://example.org/","events":{text}}}'
        webhook = msgspec.json.decode(body, type=Webhook)
        assert problem(webhook)[0] == "#/webhook/events"


@pytest.mark.parametrize(
    ("url", "what"),
    [
        ("https://example.org/a?token=hidden", "https://example.org/a"),
        ("https://u:pw@example.org:8443/a#hidden", "https://example.org:8443/a"),
        ("https://example.org/%0d%0aERROR%1b%00", "https://example.org/%0d%0aERROR%1b%00"),
        ("https://example.org/a%3Fb/ä", "https://example.org/a%3Fb/%C3%A4"),
        ("https://example.org", "https://example.org/"),
        ("https://exa\nmple.org/", "…"),
    ],
)
def test_what_is_shown_of_a_url_is_one_line_of_it(url: str, what: str) -> None:
    assert shown(url) == what


def test_nothing_secret_in_a_repr() -> None:
    url = "https://ada:pw@example.org/hook?token=hidden"
    settings = Settings(webhooks=WebhookSettings(url=url, secret=(SECRET, OLD)))
    for text in (
        repr(Webhook(url, SECRET)),
        repr(Webhook(url, [SECRET, OLD]).__rich_repr__()),
        repr(settings),
        repr(settings.webhooks.__rich_repr__()),
        repr(Target.checked(Webhook("https://example.org/?token=hidden", SECRET), INTERNET)),
    ):
        assert "whsec" not in text
        assert "hidden" not in text
        assert "pw" not in text
