"""What a team asks for besides the defaults: keys by place, paths, values, whole places, an allow-list."""

from __future__ import annotations

import base64
import json
import logging
from typing import TYPE_CHECKING, Any

import pytest

from clew import settings
from clew.masking_reader import parts
from clew.payload import Renderer
from tests.tracer.sink import attributes

if TYPE_CHECKING:
    from tests.tracer.sink import Sink


def rendered(value: Any, place: str, **environ: str) -> Any:
    """The payload as a reader sees it, under these variables; no variable may be found faulty."""
    found = settings.read(environ)
    assert found.warnings == ()
    return json.loads(Renderer(found.masking, 10_000).render(value, place).cut(10_000))


def test_keys_are_masked_in_their_place_only() -> None:
    """A pattern for the event says nothing of requests, and one for headers holds for the headers in both."""
    value = {"ssn": "1", "headers": {"x-user": "2", "ssn": "3"}, "x-user": "4"}
    variables = {"CLEW_MASK_KEYS_EVENT": "^ssn$", "CLEW_MASK_KEYS_HEADERS": "user"}

    assert rendered(value, "event", **variables) == {
        "ssn": "****",
        "headers": {"x-user": "****", "ssn": "****"},
        "x-user": "4",
    }
    assert rendered(value, "request", **variables) == {**value, "headers": {"x-user": "****", "ssn": "3"}}


@pytest.mark.parametrize(
    ("path", "value", "shown"),
    [
        ("event.body.card.no", {"body": {"card": {"no": 1, "n": 2}}}, {"body": {"card": {"no": "****", "n": 2}}}),
        ("event.a[*].b", {"a": [{"b": 1}, {"b": None, "c": 2}]}, {"a": [{"b": "****"}, {"b": "****", "c": 2}]}),
        ("event.a.b", {"a": [{"b": 1}]}, {"a": [{"b": "****"}]}),
        ("event.a[1]", {"a": ["x", "y"]}, {"a": ["x", "****"]}),
        ("event.a[0]", {"a": ["x", "y"], "b": ["z"]}, {"a": ["****", "y"], "b": ["z"]}),
        ('event["a.b"].c', {"a.b": {"c": "x", "d": "y"}}, {"a.b": {"c": "****", "d": "y"}}),
        ("event.*.x", {"a": {"x": 1}, "b": {"x": {"y": 2}, "z": 3}}, {"a": {"x": "****"}, "b": {"x": "****", "z": 3}}),
        ("request.a", {"a": 1}, {"a": 1}),
        ("event.A", {"a": 1}, {"a": 1}),
        ("event", {"a": 1}, "****"),
    ],
)  # fmt: skip
def test_paths(path: str, value: Any, shown: Any) -> None:
    """Exactly what stands there is masked, whatever it is, and nothing else."""
    assert rendered(value, "event", CLEW_MASK_PATHS=path) == shown


def test_a_path_leads_through_what_text_holds() -> None:
    """JSON in strings and bytes, base64 and forms are looked into; what cannot be read on the way is masked."""
    variables = {"CLEW_MASK_PATHS": "event.body.user,event.Records[*].kinesis.data.user"}
    inner = {"user": "ada", "n": 1}
    body = json.dumps(inner)
    encoded = base64.b64encode(body.encode()).decode()

    assert rendered({"body": body}, "event", **variables) == {"body": '{"user":"****","n":1}'}
    assert rendered({"body": body.encode()}, "event", **variables) == {"body": '{"user":"****","n":1}'}
    assert rendered({"body": "n=1&user=ada"}, "event", **variables) == {"body": "n=1&user=****"}
    assert rendered({"body": body[:-1]}, "event", **variables) == {"body": "****"}
    assert rendered({"body": "hello"}, "event", **variables) == {"body": "hello"}
    assert rendered({"body": encoded, "isBase64Encoded": True}, "event", **variables)["body"] == (
        '[base64] {"user":"****","n":1}'
    )
    record = {"kinesis": {"data": encoded, "sequenceNumber": "1"}}
    assert rendered({"Records": [record]}, "event", **variables)["Records"][0]["kinesis"]["data"] == (
        '[base64] {"user":"****","n":1}'
    )


def test_values_are_masked_wherever_they_are() -> None:
    """In strings the match only, of a number the whole; commas in brackets belong to the pattern."""
    variables = {"CLEW_MASK_VALUES": r"\b\d{3}-\d{2,4}\b,^7{2,3}$,x*"}

    assert rendered({"a": "ssn 123-45 x", "b": 777, "c": 778, "d": [7.5, True]}, "event", **variables) == {
        "a": "ssn ****  ****".replace("  ", " "),
        "b": "****",
        "c": 778,
        "d": [7.5, True],
    }


def test_values_are_masked_in_lines_and_messages() -> None:
    """A value has no place: it is masked in whatever text leaves the process."""
    renderer = Renderer(settings.read({"CLEW_MASK_VALUES": "patient-[0-9]+"}).masking, 1000)

    assert renderer.line("found patient-77 here", 1000) == "found **** here"
    assert renderer.secrets.masked_text("no patient-78") == "no ****"


def test_places_are_masked_whole() -> None:
    """Nothing of them is shown, and headers are masked within the others."""
    variables = {"CLEW_MASK_PLACES": "return, headers"}

    assert rendered({"a": 1}, "return_value", **variables) == "****"
    assert rendered({"a": 1, "Headers": {"b": 2}}, "event", **variables) == {"a": 1, "Headers": "****"}
    assert rendered([1], "locals", CLEW_MASK_PLACES="all") == "****"


def test_a_result_that_cannot_be_encoded_is_noticed_in_a_masked_place() -> None:
    """Whether a result is plain is known although none of it is shown."""
    masking = settings.read({"CLEW_MASK_PLACES": "return_value"}).masking

    assert not Renderer(masking, 100).render({1, 2}, "return_value").plain
    assert Renderer(masking, 100).render([1, 2], "return_value").plain


def test_only_what_is_allowed_is_shown() -> None:
    """Of the rest the keys and the structure stay, in whatever text it is; allowed secrets are masked all the same."""
    value = {
        "id": "o-1",
        "user": {"name": "ada", "age": 36, "ok": True, "none": None, "tags": ["a", b"b"]},
        "order": {"items": [{"sku": "x"}], "password": "p"},
        "body": json.dumps({"id": 7, "note": "hi"}),
        "raw": "text",
        "data": base64.b64encode(b'{"id": 1, "note": "hi"}').decode(),
    }

    assert rendered(value, "event", CLEW_ALLOW_KEYS="^id$,^order$") == {
        "id": "o-1",
        "user": {"name": "****", "age": "****", "ok": "****", "none": "****", "tags": ["****", "****"]},
        "order": {"items": [{"sku": "x"}], "password": "****"},
        "body": '{"id":7,"note":"****"}',
        "raw": "****",
        "data": '[base64] {"id":1,"note":"****"}',
    }
    assert rendered("text", "event", CLEW_ALLOW_KEYS="id") == "****"
    assert rendered(b"x" * 200_000, "event", CLEW_ALLOW_KEYS="id") == "****"


@pytest.mark.parametrize(
    ("variable", "text", "value", "shown"),
    [
        ("CLEW_MASK_KEYS", "(ssn,^pat", {"ssn": "1", "Pat": "2", "id": "3"}, {"ssn": "****", "Pat": "****", "id": "3"}),
        ("CLEW_MASK_KEYS", r"^pat$,\bssn[", {"my_ssn": "1", "pat": "2"}, {"my_ssn": "****", "pat": "****"}),
        ("CLEW_MASK_KEYS", "*", {"a": "1"}, {"a": "1"}),
        ("CLEW_MASK_KEYS", "a{9999999999999}", {"b": "1"}, {"b": "1"}),
        ("CLEW_MASK_KEYS_EVENT", "ssn)", {"ssn": "1"}, {"ssn": "****"}),
        ("CLEW_KEEP_KEYS", "(token", {"token": "1"}, {"token": "****"}),
        ("CLEW_MASK_VALUES", "(ada", {"a": "hello ada", "b": "c"}, {"a": "hello ****", "b": "c"}),
        ("CLEW_ALLOW_KEYS", "(id", {"id": "1"}, {"id": "****"}),
        ("CLEW_MASK_PATHS", "evnt.body.ssn", {"x": {"SSN": "1", "ssn2": "2"}}, {"x": {"SSN": "****", "ssn2": "2"}}),
        ("CLEW_MASK_PATHS", "event.a[.ssn,event.b", {"ssn": "1", "b": "2"}, {"ssn": "****", "b": "****"}),
        ("CLEW_MASK_PLACES", "evnt,event", {"a": "1"}, "****"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_masks_more_and_warns_once(variable: str, text: str, value: Any, shown: Any) -> None:
    """One warning names the variable; whatever else can be read holds, and so do the defaults."""
    found = settings.read({variable: text})

    assert [warning.split()[0] for warning in found.warnings] == [variable]
    assert found.capture_payloads
    payload = Renderer(found.masking, 1000).render({**value, "password": "p"}, "event").cut(1000)
    assert json.loads(payload) == ("****" if shown == "****" else {**shown, "password": "****"})


def test_a_list_is_json_or_separated_by_commas() -> None:
    """A comma in brackets, or behind a backslash, is a part of its pattern."""
    assert parts(r"a{1,2}, [,(]b ,(c,d),e\,f,,") == ["a{1,2}", "[,(]b", "(c,d)", r"e\,f"]
    assert parts(r"(a,b{1,2},[c,\d") == ["(a", "b{1,2}", "[c", r"\d"]
    assert parts("[([([([(,a") == ["[([([([(", "a"]
    assert parts('["a,b", "c"]') == ["a,b", "c"]
    assert parts("[ab]") == ["[ab]"]
    assert parts("[1, 2]") == ["[1, 2]"]


def test_the_variables_reach_what_is_exported(sink: Sink, trace: Any, capfd: pytest.CaptureFixture[str]) -> None:
    """Event, return value and lines of a traced handler are masked by them, with one warning for the bad one."""

    def handler(event: Any, context: object) -> Any:
        logging.getLogger("app").warning("see patient-1")
        return {"mine": event["mine"], "fine": 1}

    trace(
        handler,
        CLEW_MASK_KEYS="(mine",
        CLEW_MASK_PATHS="event.a.b",
        CLEW_MASK_VALUES="patient-[0-9]",
    )({"mine": "secret-1", "a": {"b": "secret-2", "c": "shown"}, "d": "patient-2"}, None)

    (span,) = sink.spans()
    assert attributes(span)["clew.event"] == '{"mine":"****","a":{"b":"****","c":"shown"},"d":"****"}'
    assert attributes(span)["clew.return_value"] == '{"mine":"****","fine":1}'
    assert sink.lines() == ["see ****"]
    assert not any(b"secret-" in one.body for one in sink.received)
    assert capfd.readouterr().err.count("CLEW_MASK_KEYS") == 1
