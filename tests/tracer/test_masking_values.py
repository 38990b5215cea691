"""What is a secret by its own shape is masked in any text, and what only looks like one is not."""

from __future__ import annotations

import base64
import gzip
import json
from typing import Any

import pytest

from clew.payload import Renderer
from clew.secret_values import Inside
from tests.tracer.planted_secrets import encoded

BASE64 = {"isBase64Encoded": True}
KEY_ID, SECRET_KEY = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"


@pytest.mark.parametrize(
    "value",
    [
        KEY_ID,
        f"{KEY_ID} {SECRET_KEY}",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U",
        "ghp_" + "a1B2" * 9,
        "github_pat_" + "a1B2_" * 8,
        "glpat-" + "a1B2" * 5,
        "xoxb-1234567890-abcdefABCDEF",
        "sk_live_" + "a1B2" * 6,
        "whsec_" + "a1B2" * 8,
        "AIza" + "a1B2c" * 7,
        "GOCSPX-" + "a1B2" * 7,
        "npm_" + "a1B2" * 9,
        "sk-proj-" + "a1B2" * 9,
        "SG." + "a1B2" * 5 + "." + "a1B2" * 10,
        "4111 1111 1111 1111",
        "5500-0055-5555-5559",
        "4111111111111111",
        "378282246310005",
        "3782 822463 10005",
        "30569309025904",
        "6011000990139424",
        "3530111333300000",
        "2223003122003222",
        "6200000000000000000",
    ],
)
def test_what_is_a_secret_by_itself(value: str) -> None:
    """Alone, within a text, in quotes, in an address, at a line's end."""
    renderer = Renderer()

    assert set(renderer.line(value, 1000)) <= set("* ")
    assert renderer.render([value]).cut(1000) in {'["****"]', '["**** ****"]'}
    for text in ("got {} there", '"{}"', "<a>{}</a>", "https://a.example/{}", "x={}", "(see {}).", "{}\n"):
        shown = renderer.line(text.format(value), 1000)
        assert value not in shown
        assert SECRET_KEY not in shown
        assert "****" in shown


def test_numbers_of_cards_that_are_numbers() -> None:
    """Not only text has them; times and ids of the same length are shown."""
    shown = {"a": 4111111111111112, "b": 1773342238000, "c": 1773342238000000000, "d": -4111111111111111, "e": 10**18}

    assert json.loads(Renderer().render({"n": 4111111111111111, "f": 4111111111111111.0}).cut(999)) == {
        "n": "****",
        "f": "****",
    }
    assert json.loads(Renderer().render(shown).cut(999)) == shown


def test_a_secret_key_beside_the_id_of_its_key() -> None:
    """Whatever its field is called, also where the id was masked by its own name; not without one."""
    shown = Renderer().render({"accessKeyId": KEY_ID, "other": SECRET_KEY, "sha": "a" * 40}).cut(999)

    assert json.loads(shown) == {"accessKeyId": "****", "other": "****", "sha": "a" * 40}
    assert SECRET_KEY not in Renderer().render([KEY_ID, SECRET_KEY]).cut(999)
    assert json.loads(Renderer().render([SECRET_KEY]).cut(999)) == [SECRET_KEY]


def test_private_keys() -> None:
    """Only that there was one is shown; printed line by line, the lines of its middle are masked."""
    lines = [base64.b64encode(bytes(range(48))).decode(), "-----END EC PRIVATE KEY-----"]
    text = "\n".join(["-----BEGIN EC PRIVATE KEY-----", *lines])
    renderer = Renderer()

    assert renderer.line(f"a {text} b", 999) == "a -----BEGIN EC PRIVATE KEY-----****-----END EC PRIVATE KEY----- b"
    assert renderer.line(text[:60], 999) == "-----BEGIN EC PRIVATE KEY-----****"
    assert renderer.line(lines[0], 999) == "****"
    assert renderer.line("a" * 64, 999) == "a" * 64


def test_presigned_addresses() -> None:
    """What makes them valid is masked, what tells where they lead and until when is not."""
    address = (
        "https://b.s3.amazonaws.com/k?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=ASIA%2F2026&X-Amz-Expires=60"
        "&X-Amz-SignedHeaders=host&X-Amz-Security-Token=IQoJ&X-Amz-Signature=abc"
    )

    assert Renderer().line(address, 999) == (
        "https://b.s3.amazonaws.com/k?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=****&X-Amz-Expires=60"
        "&X-Amz-SignedHeaders=host&X-Amz-Security-Token=****&X-Amz-Signature=****"
    )


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (encoded('{"a":1}'), encoded('{"a":1}')),
        (encoded('{"password":1}'), '[base64] {"password":"****"}'),
        (encoded('[{"password":1}]'), '[base64] [{"password":"****"}]'),
        (encoded('{"password":1}', zipped=True), '[base64, gzip] {"password":"****"}'),
        ({"body": encoded("a=1&pwd=x"), **BASE64}, {"body": "[base64] a=1&pwd=****", **BASE64}),
        ({"body": "/w==", **BASE64}, {"body": "[base64: 4 characters]", **BASE64}),
        ({"body": "no base64 é", **BASE64}, {"body": "[base64: 11 characters]", **BASE64}),
        ({"body": None, **BASE64}, {"body": None, **BASE64}),
        ({"awslogs": {"data": encoded('{"a":1}', zipped=True)}}, {"awslogs": {"data": '[base64, gzip] {"a":1}'}}),
        ({"data": encoded("hi"), "recordId": "1"}, {"data": "[base64] hi", "recordId": "1"}),
        ({"data": "aGk="}, {"data": "aGk="}),
    ],
)  # fmt: skip
def test_base64_is_looked_into(value: Any, shown: Any) -> None:
    """Where it is known to be base64 it is shown decoded, elsewhere only if there is a secret in it."""
    assert json.loads(Renderer().render(value).cut(999)) == shown


def test_compressed_base64_is_inflated_within_bounds() -> None:
    """A few bytes that hold a gigabyte are described, and so are many small members."""
    bomb = base64.b64encode(gzip.compress(b"[" + b" " * 5_000_000)).decode()
    members = base64.b64encode(gzip.compress(b"x") * 1000).decode()

    for data in (bomb, members):
        shown = Renderer().render({"data": data, "recordId": "1"}).cut(999)
        assert json.loads(shown)["data"] == f"[base64: {len(data)} characters]"
    assert "****" in Renderer().line(f"got {bomb}", 99_999)


def test_packed_text_in_packed_text_is_looked_into_once() -> None:
    """Bounds that held for each level alone let 2 kB take a minute, in which no other thread ran."""
    piece = "a=%41"
    for many in (1, 20, 14, 10, 8, 7, 6):
        text = " ".join([piece] * many)
        piece = base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode()
    inside = Inside()
    secrets = Renderer().secrets

    assert "****" in secrets.masked_text(f"got {text}", inside)
    assert inside.decoded <= 16_384
    assert inside.depth == 0


@pytest.mark.parametrize(
    "piece",
    ["a", "4", "4 ", "4111 1111 ", "eyJ", "eyJ.", "eyJhbGciOi ", "=", "a=", "key=", "password=", "password=b(", "'a' ",
     "k:v, ", "\\", '\\"', "<", "<a ", "<password>", "://a:", "%", "%25", "%3D", "--a ", "-----BEGIN A ", "bearer ",
     "sk-", "xoxb-", "AKIA", "(", '("a", ', "&lt;", "\\u0022", "[", "{", "\n", " ", "_", "H4sI"],
)  # fmt: skip
def test_long_texts_of_one_kind(piece: str) -> None:
    """Sixteen thousand characters of anything come back, as long as a line may be at most."""
    text = (piece * 16_384)[:16_384]

    assert len(Renderer().line(text, 16_384)) <= 16_384 + 40
    assert len(Renderer().line(f"password=x {text}", 16_384)) <= 16_384 + 40
