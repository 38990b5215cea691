"""Strategies for payloads and texts in which a secret is planted, in every shape that one comes in."""

from __future__ import annotations

import base64
import gzip
import html
import json
from typing import Any
from urllib.parse import quote, quote_plus

from hypothesis import strategies as st

KEYS = st.sampled_from(
    ["password", "DB_PASSWORD", "apiKey", "x-api-key", "Authorization", "SessionToken", "client_secret", "Set-Cookie",
     "privateKey", "X-Amz-Security-Token", "awsSecretAccessKey", "refresh_token", "passphrase", "credentials"]
)  # fmt: skip
HARMLESS_KEYS = st.sampled_from(["id", "Key", "name", "NextToken", "Records", "body", "items", "user agent", "ä"])
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20), st.binary(max_size=8))


def encoded(text: str, *, zipped: bool = False, url: bool = False) -> str:
    data = gzip.compress(text.encode(), mtime=0) if zipped else text.encode()
    return (base64.urlsafe_b64encode(data).rstrip(b"=") if url else base64.b64encode(data)).decode()


def percent(text: str, every: int) -> str:
    """The text with every n-th letter percent-encoded."""
    return "".join(f"%{ord(char):02X}" if index % every == 0 else char for index, char in enumerate(text))


def texts(token: str) -> st.SearchStrategy[str]:
    """Texts in which the token is the value of a secret's key, or is a secret by where it stands."""
    word = KEYS.filter(lambda key: " " not in key)
    return st.one_of(
        word.map(lambda key: f"{key}={token}"),
        word.map(lambda key: f"{key}: {token}"),
        word.map(lambda key: f"{key} => '{token}'"),
        word.map(lambda key: f"--{key} {token}"),
        word.map(lambda key: f"a=1&{key}={token}&b=2"),
        word.map(lambda key: f"https://a.example/x?y=1&{key}={token}#z"),
        st.builds(lambda key, every: f"https://a.example/?{percent(key, every)}={token}", word, st.integers(1, 4)),
        word.map(lambda key: "https://a.example/?next=" + quote(f"https://b.example/?{key}={token}", safe="")),
        word.map(lambda key: "q=" + quote_plus(json.dumps({key: token}))),
        word.map(lambda key: quote(quote(f"{key}={token}", safe=""), safe="")),
        word.map(lambda key: f"<a><{key}>{token}</{key}></a>"),
        word.map(lambda key: f'<a {key}="{token}" b="c"/>'),
        word.map(lambda key: html.escape(json.dumps({key: token}))),
        word.map(lambda key: html.escape(f"<{key}>{token}</{key}>")),
        word.map(lambda key: json.dumps({"a": {key: token}}).replace('"', "\\u0022")),
        word.map(lambda key: str({key: token})),
        word.map(lambda key: str({key: token.encode()})),
        word.map(lambda key: str([(key, token)])),
        word.map(lambda key: str({"name": key, "value": token})),
        word.map(lambda key: json.dumps(json.dumps({key: token}))),
        word.map(lambda key: json.dumps({key: [token]})[:-2]),
        word.map(lambda key: encoded(json.dumps({key: token}))),
        word.map(lambda key: encoded(json.dumps({key: token}), url=True)),
        word.map(lambda key: encoded(json.dumps({"x": encoded(json.dumps({key: token}))}))),
        word.map(lambda key: encoded(json.dumps({key: token}), zipped=True)),
        st.just(f"postgres://user:{token}@db.example/x"),
        st.just(f"sent Bearer {token} there"),
        st.just("Basic " + encoded(f"user:{token}")),
        st.just(f"-----BEGIN EC PRIVATE KEY-----\n{token}\n-----END EC PRIVATE KEY-----"),
        st.just(f"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.{token}"),
        st.just(f"AKIAIOSFODNN7EXAMPLE {(token * 4)[:40]}"),
        st.just(f"ghp_{token * 2}"),
        st.just(f"xoxb-1234-{token}"),
        st.just(f"sk_live_{token}"),
        st.just(f"glpat-{token * 2}"),
    )


def structures(token: str) -> st.SearchStrategy[Any]:
    """Values in which a key or a neighbour tells of the token."""
    return st.one_of(
        st.dictionaries(KEYS, st.just(token), min_size=1, max_size=2),
        KEYS.map(lambda key: {key: {"S": token}}),
        KEYS.map(lambda key: {key: [token, {"x": token}]}),
        KEYS.map(lambda key: {"Name": key, "Value": token}),
        KEYS.map(lambda key: [{"name": key, "value": token}]),
        KEYS.map(lambda key: [[key, token]]),
        KEYS.map(lambda key: ((key.encode(), token.encode()),)),
        KEYS.map(lambda key: ["run", f"--{key}", token]),
        KEYS.map(lambda key: {"isBase64Encoded": True, "body": encoded(f"{key}={token}")}),
        KEYS.map(lambda key: {"kinesis": {"data": encoded(f"{key}: {token}"), "sequenceNumber": "1"}}),
        KEYS.map(lambda key: {"topic": "t", "partition": 0, "offset": 1, "value": encoded(f"<{key}>{token}</{key}>")}),
        KEYS.map(lambda key: {"awslogs": {"data": encoded(json.dumps({"message": f"{key}={token}"}), zipped=True)}}),
        KEYS.map(lambda key: {"id": "AKIAIOSFODNN7EXAMPLE", "other": (token * 4)[:40], key: "x"}),
        st.dictionaries(HARMLESS_KEYS, texts(token), min_size=1, max_size=2),
    )


def payloads(token: str) -> st.SearchStrategy[Any]:
    """Structures inside others: plainly, as JSON text, bytes or base64, cut short, or several times over."""

    def wrapped(planted: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        compact = planted.map(lambda value: json.dumps(value, default=lambda data: data.decode("latin-1")))
        return st.one_of(
            st.dictionaries(HARMLESS_KEYS, st.one_of(SCALARS, planted), min_size=1, max_size=4),
            st.lists(st.one_of(SCALARS, planted), min_size=1, max_size=4),
            st.tuples(planted, SCALARS),
            compact,
            compact.map(str.encode),
            compact.map(lambda text: f"  {text}"),
            planted.map(lambda value: {"a": value}).map(
                lambda value: encoded(json.dumps(value, default=lambda data: data.decode("latin-1")))
            ),
        )

    return st.recursive(structures(token), wrapped, max_leaves=6)


TOKENS = st.from_regex(r"[a-z][A-Z][0-9][A-Za-z0-9]{11,20}", fullmatch=True)
