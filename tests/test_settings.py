"""Settings from arguments and the environment, and the tree of errors."""

from __future__ import annotations

import inspect
import re

import pytest
from msgspec import Struct
from msgspec.structs import fields, replace

from progress import Progress, errors
from progress.errors import ConfigurationError, ProgressError, RequestError, SettingsError
from progress.settings import Limits, Retention, Settings, Timing, WebhookSettings

GROUPS: dict[str, type[Struct]] = {"limits": Limits, "timing": Timing, "retention": Retention}

NAMES = [(group, field.name) for group, type in GROUPS.items() for field in fields(type)]


def variable(group: str, field: str) -> str:
    return f"PROGRESS_{group}_{field}".upper()


def test_an_empty_environment_is_the_defaults() -> None:
    assert Settings.from_environment({}) == Settings()


@pytest.mark.parametrize(("group", "field"), NAMES)
def test_each_setting_has_its_variable(group: str, field: str) -> None:
    default = getattr(getattr(Settings(), group), field)
    another = 1 if default is None else default + 1
    settings = Settings.from_environment({variable(group, field): str(another)})
    assert getattr(getattr(settings, group), field) == another
    assert type(getattr(getattr(settings, group), field)) is type(another)


@pytest.mark.parametrize(("group", "field"), NAMES)
@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "", "many", "true", "1,5", "null"])
def test_value_that_cannot_be_names_its_variable(group: str, field: str, text: str) -> None:
    with pytest.raises(SettingsError, match=f"^{variable(group, field)}='{text}': "):
        Settings.from_environment({variable(group, field): text})


@pytest.mark.parametrize(("group", "field"), NAMES)
@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf")])
def test_argument_that_cannot_be_names_its_field(group: str, field: str, value: float) -> None:
    with pytest.raises(SettingsError, match=field):
        Progress(settings=replace(Settings(), **{group: GROUPS[group](**{field: value})}))


@pytest.mark.parametrize(
    "name", ["PROGRESS_TIMING_HARTBEAT", "PROGRESS_LIMITS_", "PROGRESS_RETENTION_AGE_S"]
)
def test_variable_that_names_no_setting(name: str) -> None:
    with pytest.raises(SettingsError, match=f"{name} is not a setting; there are PROGRESS_"):
        Settings.from_environment({name: "1"})


@pytest.mark.parametrize("name", ["PROGRESS_DEMO_ROOT", "PROGRESS", "HOME", "progress_timing_lag"])
def test_what_is_not_ours_is_left_alone(name: str) -> None:
    assert Settings.from_environment({name: "x"}) == Settings()


@pytest.mark.parametrize(
    ("text", "hosts"),
    [
        ("a.example", ("a.example",)),
        (" a.example , *.b.example,", ("a.example", "*.b.example")),
        ("", ()),
        (" , ", ()),
    ],
)
def test_hosts(text: str, hosts: tuple[str, ...]) -> None:
    assert Settings.from_environment({"PROGRESS_HOSTS": text}).hosts == hosts


@pytest.mark.parametrize(
    "host", ["http://a.example", "a.example:8000", "[::1]", "[::1]:80", "a/b", "a b", "*.", ""]
)
def test_what_is_no_host(host: str) -> None:
    """A scheme or a port would never match anything."""
    with pytest.raises(SettingsError, match=r"^hosts: .* has to be a name alone"):
        Settings(hosts=(host,))


@pytest.mark.parametrize("host", ["*", "localhost", "*.a.example", "127.0.0.1", "::1", "a_b"])
def test_what_is_a_host(host: str) -> None:
    assert Settings(hosts=(host,)).hosts == (host,)


@pytest.mark.parametrize(
    ("text", "origins"),
    [
        ("https://a.example", ("https://a.example",)),
        (
            " http://a.example:8000 , https://b.example,",
            ("http://a.example:8000", "https://b.example"),
        ),
        ("*", ("*",)),
        ("", ()),
        (" , ", ()),
    ],
)
def test_origins(text: str, origins: tuple[str, ...]) -> None:
    assert Settings.from_environment({"PROGRESS_ORIGINS": text}).origins == origins


@pytest.mark.parametrize(
    "origin",
    [
        "a.example", "a.example:8000", "//a.example", "https://", "https://a.example/",
        "https://a.example/x", "https://a.example?x", "https://A.example", "HTTPS://a.example",
        "https://a.example:443", "http://a.example:80", "https://*.a.example", "null", "",
        "https://a b", "https://a.example:", "https://u@a.example", "https://::1",
    ],
)  # fmt: skip
def test_what_no_browser_sends_as_an_origin(origin: str) -> None:
    """It would never match anything; and `null` would match sandboxed pages of anybody."""
    with pytest.raises(SettingsError, match=r"^origins: .* has to be \* or as a browser sends it"):
        Settings(origins=(origin,))


@pytest.mark.parametrize(
    "origin",
    [
        "https://a.example", "http://localhost:3000", "http://127.0.0.1", "http://[::1]:8000",
        "https://a.example:80", "http://a.example:443", "https://xn--bcher-kva.example",
        "capacitor://localhost", "chrome-extension://abcdefghijklmnop",
    ],
)  # fmt: skip
def test_what_is_an_origin(origin: str) -> None:
    assert Settings(origins=(origin,)).origins == (origin,)


def test_all_origins_stand_alone() -> None:
    with pytest.raises(SettingsError, match=r"^origins: \* has to stand alone"):
        Settings(origins=("*", "https://a.example"))


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("PROGRESS_HOST", "PROGRESS_HOSTS"),
        ("PROGRESS_ORIGIN", "PROGRESS_ORIGINS"),
        ("PROGRESS_DEBUGG", "PROGRESS_DEBUG"),
        ("PROGRESS_LIMIT_RUNNING", "PROGRESS_LIMITS_RUNNING"),
        ("PROGRESS_TIMINGS_IDLE", "PROGRESS_TIMING_IDLE"),
    ],
)
def test_a_misspelled_one(name: str, meant: str) -> None:
    with pytest.raises(SettingsError, match=rf"^{name} is not a setting; is it {meant}\?"):
        Settings.from_environment({name: "1"})


@pytest.mark.parametrize(
    ("text", "debug"), [("1", True), ("true", True), ("0", False), ("false", False), ("", False)]
)
def test_debug(text: str, debug: bool) -> None:
    assert Settings.from_environment({"PROGRESS_DEBUG": text}).debug is debug


def test_debug_that_is_neither() -> None:
    with pytest.raises(SettingsError, match=r"^PROGRESS_DEBUG='maybe': "):
        Settings.from_environment({"PROGRESS_DEBUG": "maybe"})


def test_the_real_environment_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROGRESS_TIMING_LAG", "7")
    assert Settings.from_environment().timing.lag == 7


def test_webhooks() -> None:
    given = {
        "URL": "https://hooks.example/x",
        "SECRET": "whsec_b2xk whsec_bmV3",
        "EVENTS": "state,progress",
        "HTTP": "true",
        "PRIVATE": "127.0.0.0/8, fd00::/8",
        "PENDING": "5",
    }
    environment = {f"PROGRESS_WEBHOOKS_{name}": text for name, text in given.items()}
    assert Settings.from_environment(environment).webhooks == WebhookSettings(
        url="https://hooks.example/x",
        secret=("whsec_b2xk", "whsec_bmV3"),
        events=("state", "progress"),
        http=True,
        private=("127.0.0.0/8", "fd00::/8"),
        pending=5,
    )
    assert Settings.from_environment({"PROGRESS_WEBHOOKS_PRIVATE": " "}).webhooks.private == ()


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("EVENTS", "state,log", r"^PROGRESS_WEBHOOKS_EVENTS="),
        ("HTTP", "maybe", r"^PROGRESS_WEBHOOKS_HTTP="),
        ("PENDING", "0", r"^PROGRESS_WEBHOOKS_PENDING="),
        ("PRIVATE", "10.0.0.1/8", r"^webhooks\.private: .*10\.0\.0\.1/8"),
        ("PRIVATE", "intranet", r"^webhooks\.private: .*intranet"),
        ("SECRETS", "x", "PROGRESS_WEBHOOKS_SECRETS is not a setting"),
    ],
)
def test_webhooks_that_cannot_be(name: str, text: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        Settings.from_environment({f"PROGRESS_WEBHOOKS_{name}": text})


@pytest.mark.parametrize("name", ["URL", "SECRET"])
def test_webhooks_keep_what_is_secret(name: str) -> None:
    environment = {
        "PROGRESS_WEBHOOKS_URL": "https://hooks.example/",
        f"PROGRESS_WEBHOOKS_{name}": "https://hooks.example/#hidden",
    }
    settings = Settings.from_environment(environment)
    assert "hidden" not in repr(settings)
    with pytest.raises(SettingsError) as raised:
        Progress(settings=settings)
    assert "hidden" not in str(raised.value)


def test_settings_are_frozen() -> None:
    for frozen, field in [(Settings(), "debug"), (Limits(), "body"), (Timing(), "lag")]:
        with pytest.raises(AttributeError):
            setattr(frozen, field, 1)


# The errors


CLASSES = [
    found
    for _, found in inspect.getmembers(errors, inspect.isclass)
    if issubclass(found, BaseException)
]


def test_the_tree_is_drawn_as_it_is() -> None:
    """Each class stands in the drawing once, indented below its base."""
    drawn: dict[str, str] = {}
    path: list[tuple[int, str]] = []
    for line in (errors.__doc__ or "").splitlines():
        found = re.match(r"([│├└─ ]*)([A-Z]\w+)(  |$)", line)
        if found is None:
            continue
        depth = len(found[1])
        path = [(at, name) for at, name in path if at < depth]
        assert found[2] not in drawn
        drawn[found[2]] = path[-1][1] if path else ""
        path.append((depth, found[2]))
    bases = {c.__name__: c.__bases__[0].__name__ for c in CLASSES}
    assert drawn.keys() == bases.keys()
    for name, base in drawn.items():
        assert bases[name] == (base or ("BaseException" if name == "Cancelled" else "Exception"))


def test_all_are_exported() -> None:
    names = {c.__name__ for c in CLASSES}
    assert names <= set(errors.__all__)
    assert set(errors.__all__) - names <= {"FieldError"}


@pytest.mark.parametrize("error", [c for c in CLASSES if issubclass(c, RequestError)])
def test_request_errors_have_a_slug_and_a_title(error: type[RequestError]) -> None:
    if error is not RequestError:
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", error.slug)
        assert error.title[0].isupper()


@pytest.mark.parametrize(
    ("type", "title"),
    [
        ("outside-root", "Outside root"),
        ("urn:example:no-space", "No space"),
    ],
)
def test_failure_has_a_title(type: str, title: str) -> None:
    failure = errors.Failure(type, "why")
    assert (failure.type, failure.detail, str(failure)) == (type, "why", "why")
    assert failure.title == title
    assert errors.Failure(type, "why", "As told").title == "As told"


def test_an_author_catches_errors_but_not_the_cancellation() -> None:
    assert not issubclass(errors.Cancelled, Exception)
    assert issubclass(errors.Busy, RequestError)
    assert issubclass(errors.Draining, errors.Busy)
    assert issubclass(ConfigurationError, ProgressError)
