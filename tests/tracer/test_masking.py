"""Secrets stay in the function: whatever the payload's shape, what is under a secret's key is not exported."""

from __future__ import annotations

import json
import re
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clew.masking_rules import MaskingRules
from clew.payload import Renderer
from clew.secrets import Secrets
from clew.walk import Walk

if TYPE_CHECKING:
    from tests.tracer.sink import Sink

SECRET = "hunter2"
SECRET_KEYS = st.sampled_from(
    ["password", "DB_PASSWORD", "apiKey", "x-api-key", "Authorization", "SessionToken", "client_secret", "Set-Cookie",
     "privateKey", "X-Amz-Security-Token", "awsSecretAccessKey", "refresh_token", "passphrase", "credentials"]
)  # fmt: skip
HARMLESS_KEYS = st.sampled_from(
    ["id", "Key", "key", "name", "NextToken", "Records", "body", "items", "user agent", "ä"]
)
# Of sixteen digits every tenth number is a card's, for all one can tell.
NUMBERS = st.one_of(st.integers(), st.floats()).filter(lambda number: not 10**12 <= number < 10**19)
VALUES = st.one_of(st.none(), st.booleans(), NUMBERS, st.text(max_size=20), st.binary(max_size=8))


def wrapped(planted: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Ways in which a payload holds another: plainly, as JSON text, as bytes, cut short, or more than once."""
    compact = planted.map(lambda value: json.dumps(value, default=str))
    return st.one_of(
        st.dictionaries(HARMLESS_KEYS, st.one_of(VALUES, planted), min_size=1, max_size=4),
        st.lists(st.one_of(VALUES, planted), min_size=1, max_size=4),
        st.tuples(planted, VALUES),
        compact,
        compact.map(str.encode),
        compact.map(lambda text: f"  {text}"),
        compact.map(lambda text: text[: text.rfind(SECRET) + len(SECRET)]),
        compact.map(lambda text: f"got {text} from there"),
        planted.map(repr),
    )


PLANTED = st.one_of(
    st.dictionaries(SECRET_KEYS, st.just(SECRET), min_size=1, max_size=2),
    st.builds(lambda key: {key: {"S": SECRET}}, SECRET_KEYS),
    st.builds(lambda key: {key: [SECRET, {"x": SECRET}]}, SECRET_KEYS),
    st.builds(lambda key: {"Name": key, "Value": SECRET}, SECRET_KEYS),
    st.builds(lambda key: {"url": f"https://a.example/?x=1&{key.replace(' ', '')}={SECRET}&y=2"}, SECRET_KEYS),
    st.just({"url": f"postgres://user:{SECRET}@db.example/x"}),
    st.just({"body": f"grant_type=password&password={SECRET}"}),
)


@given(st.recursive(PLANTED, wrapped, max_leaves=6), st.sampled_from([64, 2048]))
def test_no_planted_secret_is_rendered(payload: Any, limit: int) -> None:
    """A secret under its key does not come through, however it is wrapped and wherever the text is cut."""
    rendered = Renderer(limit=limit).render(payload)

    assert SECRET not in rendered.cut(limit)


@given(
    st.recursive(VALUES, lambda inner: st.one_of(st.lists(inner), st.dictionaries(HARMLESS_KEYS, inner)), max_leaves=20)
)
def test_what_holds_no_secret_is_rendered_whole(payload: Any) -> None:
    """The text of a payload without secrets is its JSON; what JSON has no type for is described."""
    rendered = Renderer(limit=1_000_000).render(payload)

    def same(given: Any, shown: Any) -> bool:
        if isinstance(given, dict):
            return list(given) == list(shown) and all(same(given[key], shown[key]) for key in given)
        if isinstance(given, list):
            return len(given) == len(shown) and all(map(same, given, shown))
        if isinstance(given, bytes) or (isinstance(given, float) and given - given != 0):
            return isinstance(shown, str)
        return bool(given == shown) or "\ud800" <= max(str(given), default="") <= "\udfff"

    text = rendered.cut(1_000_000)
    assert rendered.measured
    assert rendered.size == len(text.encode())
    assert same(payload, json.loads(text))


@pytest.mark.parametrize(
    "key",
    ["Key", "key", "Keys", "NextToken", "ContinuationToken", "partitionKey", "KeyConditionExpression", "MaxKeys",
     "inputTokens", "keyword", "monkey", "SignatureVersion", "s3ObjectKey", "OutputKey", "ClientRequestToken"],
)  # fmt: skip
def test_keys_that_only_sound_secret_are_kept(key: str) -> None:
    """Places, pages and counts are what a reader of a payload looks for."""
    assert Renderer(limit=100).render({key: "shown"}).cut(100) == f'{{"{key}":"shown"}}'


def test_the_team_decides_about_keys_of_its_own() -> None:
    """Its patterns add to the defaults, and its exceptions take from the defaults."""
    rules = MaskingRules(keys=(re.compile("^patient", re.IGNORECASE),), keep_keys=(re.compile("^publicKey$"),))

    text = Renderer(rules, 1000).render({"PatientName": "x", "publicKey": "y", "password": "z"}).cut(1000)

    assert json.loads(text) == {"PatientName": "****", "publicKey": "y", "password": "****"}


def test_base64_is_not_shown(sink: Sink, trace: Any) -> None:
    """A body in base64 cannot be masked by key, so that it is not kept."""
    event = {"isBase64Encoded": True, "body": "eyJwYXNzd29yZCI6ImgifQ==", "headers": {"x": "y"}}
    trace(lambda event, context: None)(event, None)

    assert b"eyJwYXNzd29yZCI" not in sink.received[0].body


def test_a_cut_tells_the_length_of_the_whole() -> None:
    """Exactly where the whole was measured, and at least how much where it was not."""
    renderer = Renderer(limit=100)

    assert renderer.render(["abcdefg"] * 3).cut(20) == '["abcdefg","abcdefg"…[cut: 31 bytes]'
    assert renderer.render("x" * 5_000_000).cut(5) == '"xxxx…[cut: 5000002+ bytes]'


def test_a_huge_payload_costs_no_more_than_what_is_kept_of_it() -> None:
    """Twenty megabytes of records are walked until the limit is reached."""
    record = {"body": json.dumps({"order": list(range(50))}), "attributes": {"a": "b" * 100}}
    event = {"Records": [dict(record) for _ in range(50_000)]}
    walk = Walk(Secrets(), 4096)
    walk.value(event, 0)
    payload = Renderer(limit=4096).render(event)

    assert walk.nodes < 5000
    assert 3000 < len(payload.text) <= 4096
    assert not payload.measured


def test_hostile_values_are_described() -> None:
    """Nothing of an object is called but its class, and depth, size and cycles end somewhere."""

    class Hostile:
        def __repr__(self) -> str:
            raise AssertionError

        __str__ = __repr__

    class Body:
        def read(self) -> bytes:
            raise AssertionError

    loop: list[Any] = []
    loop.append(loop)
    deep: Any = 1
    for _ in range(10_000):
        deep = [deep]
    renderer = Renderer(limit=4096)

    assert renderer.render({"a": Hostile(), "b": Body(), (1, 2): {3}}).cut(999) == (
        '{"a":"[Hostile]","b":"[stream]","[tuple]":[3]}'
    )
    assert "[deeper]" in renderer.render(loop).cut(999)
    assert "[deeper]" in renderer.render(deep).cut(999)
    assert renderer.render(b"\xff\xfe").cut(99) == '"[binary: 2 bytes]"'
    assert renderer.render(b"x" * 1_000_000).cut(3) == '"xx…[cut: 1000000+ bytes]'
    assert renderer.render(10**9999).cut(99) == '"[integer]"'
    assert renderer.render("\ud800").cut(99) == '"?"'


class Named(Enum):
    PASSWORD = 1
    SECOND = "password"


class NamedText(str, Enum):  # noqa: UP042  # StrEnum is not in Python 3.10
    FIRST = "password"


@pytest.mark.parametrize(
    "text",
    [
        str({"password": SECRET.encode()}),
        str({"password": bytearray(SECRET.encode())}),
        str({b"password": SECRET}),
        str({"password": (SECRET,)}),
        str({"API Key": SECRET}),
        str({"auth": SECRET}),
        f"{{'password': u'{SECRET}'}}",
        f"secret access key: {SECRET}",
        f"--password={SECRET}",
        f"password => {SECRET}",
        f"Authorization: token {SECRET}",
        f"Authorization: ApiKey {SECRET}",
        f"{{'Authorization': 'token {SECRET}'}}",
        f"Cookie: a=1; sid={SECRET}",
        f"<db><user>a</user><password>{SECRET}</password></db>",
        f"<ns:Password kind='x'><![CDATA[{SECRET}]]>",
        f'form-data; name="a"\r\n\r\n1\r\n--B\r\nX: form-data; name="password"\r\n\r\n{SECRET}\r\n--B--',
        f'form-data; filename="a"; name="db_password"\nContent-Type: text/plain\n\nline\n{SECRET}',
        str({"body": f'form-data; name="password"\r\n\r\n{SECRET}\r\n--B--'}),
        f'{{"password": "{SECRET}", "password": null}}',
        f'{{"note": "Bearer {SECRET}1", "note": "x"}}',
        "x" * 200 + f"_password={SECRET}",
    ],
)
def test_secrets_in_text(text: str) -> None:
    """However a key and its value are written down, the value is masked, and what comes before it is shown."""
    rendered = Renderer(limit=2048).render(f"before {text}").cut(2048)

    assert SECRET not in rendered
    assert rendered.startswith('"before ')
    assert "****" in rendered


@pytest.mark.parametrize(
    "text",
    [
        f'{{"password": "{SECRET}", "password": null}}',
        f'{{"a": [{{"note": "Bearer {SECRET}1", "note": "x"}}]}}',
    ],
)
def test_a_key_that_is_there_twice(text: str) -> None:
    """Python's JSON keeps the last of its values, the text has both."""
    assert SECRET not in Renderer().render({"body": text}).cut(2048)
    assert SECRET not in Renderer().line(text, 2048)


def test_keys_that_anyone_may_send_take_no_memory() -> None:
    """What is remembered of keys is bounded in bytes, not only in number."""
    renderer = Renderer()
    for number in range(50):
        renderer.render({f"{number}{'x' * 100_000}": 1})

    assert sum(map(len, renderer.secrets.known)) < 10_000


@pytest.mark.parametrize(
    "payload",
    [
        {b"password": SECRET},
        {("password",): SECRET},
        {Named.PASSWORD: SECRET},
        {Named.SECOND: SECRET},
        {NamedText.FIRST: SECRET},
        {"Name": {"S": "password"}, "Value": {"S": SECRET}},
        {"Name": "password", "Values": [SECRET]},
        {"Name": "password", "Value": SECRET, **{f"field{number}": number for number in range(40)}},
        {"auth": [SECRET]},
    ],
)
def test_keys_that_are_no_plain_text(payload: Any) -> None:
    """Bytes, tuples and members of an Enum name a secret as text does, and so does a name that DynamoDB typed."""
    assert SECRET not in Renderer(limit=2048).render(payload).cut(2048)


@pytest.mark.parametrize(
    "text",
    [
        "took 12 ms for key: abc",
        "a > b and c => d",
        "12:30:45 INFO account id: 123456789012",
        "<order><id>7</id><key>a/b</key></order>",
        "author: Ada",
        "iVBORw0KGgo=",
        "KeyError: 'customer'",
        "botocore.exceptions.TokenRetrievalError: Error when retrieving it from sso",
    ],
)
def test_text_without_secrets_is_shown(text: str) -> None:
    """What has the shape of a key and a value is shown if the key names no secret."""
    assert Renderer(limit=2048).line(f"{text} (no password)", 2048) == f"{text} (no password)"


class Lying:
    """Says that it is a mapping, as proxies and mocks do."""

    __class__ = dict  # type: ignore[assignment]


class Raising:
    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        raise AssertionError


class Meta(type):
    def __getattr__(cls, name: str) -> Any:
        raise RuntimeError(name)

    __name__ = property(lambda cls: 1 / 0)


class Strange(metaclass=Meta):
    pass


class OwnText(str):
    __slots__ = ()

    def __str__(self) -> str:
        raise AssertionError


class OwnNumber(int):
    def __int__(self) -> int:
        raise AssertionError

    __str__ = __repr__ = __index__ = __int__  # type: ignore[assignment]


class OwnBytes(bytes):
    def __len__(self) -> int:
        raise AssertionError

    __bytes__ = __getitem__ = __iter__ = __len__  # type: ignore[assignment]


class OwnSet(set[int]):
    def __iter__(self) -> Any:
        raise AssertionError

    __len__ = __iter__


ODD: dict[str, tuple[Any, str]] = {
    "a lie": (Lying(), '"[Lying]"'),
    "one that raises": (Raising(), '"[Raising]"'),
    "a class that raises": (Strange(), '"[Strange]"'),
    "text": (OwnText("text"), '"text"'),
    "a number": (OwnNumber(7), "7"),
    "bytes": (OwnBytes(b"bytes"), '"bytes"'),
    "a set": (OwnSet({1}), "[1]"),
    "a moment": (datetime.fromisoformat("2026-11-21T00:00:00+00:00"), '"2026-11-21T00:00:00+00:00"'),
    "a date": (date(2026, 11, 21), '"2026-11-21"'),
    "an id": (UUID(int=1), '"00000000-0000-0000-0000-000000000001"'),
    "a decimal": (Decimal("1.50"), '"1.50"'),
}


@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize("rules", [None, MaskingRules(values=(re.compile("nothing"),))], ids=["", "guided"])
def test_objects_are_told_by_their_class_alone(name: str, rules: MaskingRules | None) -> None:
    """Whatever they say of themselves; and by none of their own methods."""
    value, shown = ODD[name]

    assert Renderer(rules, limit=2048).render({"a": [value]}).cut(2048) == f'{{"a":[{shown}]}}'


def test_keys_are_told_by_their_class_alone() -> None:
    """A dictionary's keys may be anything that has a hash."""
    payload = Renderer(limit=2048).render({OwnText("text"): 1, OwnNumber(7): 2, Lying(): 3, Raising(): 4, Strange(): 5})

    assert payload.cut(2048) == '{"text":1,"7":2,"[Lying]":3,"[Raising]":4,"[Strange]":5}'


def test_only_a_dicts_own_look_ups_are_used() -> None:
    """Nothing of a subclass is called, so that one which never ends does not hold up the function."""

    class Endless(dict[str, Any]):
        def __iter__(self) -> Any:
            raise AssertionError

        get = items = keys = __contains__ = __len__ = __iter__  # type: ignore[assignment]  # none of them is for us

    payload = Renderer(limit=2048).render(Endless(Name="password", Value=SECRET))

    assert payload.cut(2048) == '{"Name":"password","Value":"****"}'
