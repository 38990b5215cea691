"""What spans say of the two sides of a hop: link keys and span links.

Our tracer lists the keys itself (`clew.link.keys`). OpenTelemetry's instrumentations of other languages list none, but
the ids that keys are made of are among their attributes: of messages, of requests to S3 and Lambda, of answers by API
Gateway where response headers are captured.
"""

from __future__ import annotations

from collector.domain.calls import service_name
from collector.domain.facts import MAX_LINKS, Facts, Link, LinkKey, Side
from collector.domain.ids import hash63, span_number
from collector.domain.links import REQUEST, RESULT, SHARED, is_pointer
from collector.domain.span_facts import SpanFacts
from collector.domain.triggers import Trigger
from collector.domain.values import first_text, text, texts

# Of one link key: `s3-object:`, a bucket's name of 63 and a key of 1,024 fit.
MAX_LINK_KEY_LENGTH = 1_200

_MESSAGE_ID = ("messaging.message.id", "messaging.message_id")
_REQUEST_ID = ("aws.request_id", "aws.requestId", "aws.request.id")
# REST APIs answer with the one, HTTP APIs with the other, function URLs with the first.
_HEADERS = ("http.response.header.x-amzn-requestid", "http.response.header.apigw-requestid")
ATTRIBUTES = frozenset({"clew.link.keys", *_MESSAGE_ID, *_REQUEST_ID, *_HEADERS})

_MESSAGING = frozenset({"sqs", "sns"})
# S3 puts the request id of the call into the notification that the call causes.
_S3_WRITES = frozenset(
    {
        "PutObject",
        "CopyObject",
        "CompleteMultipartUpload",
        "DeleteObject",
        "DeleteObjects",
        "RestoreObject",
        "PutObjectAcl",
        "PutObjectTagging",
        "DeleteObjectTagging",
        "RenameObject",
    }
)
_INVOKES = frozenset({"Invoke", "InvokeAsync", "InvokeWithResponseStream"})


def link_key(key: str, item: SpanFacts, side: Side) -> LinkKey:
    if side is Side.CONSUMED and key.startswith(RESULT):
        # The invocation has the key of its request already: it need not have another one for its result.
        key, side = f"{REQUEST}{key.removeprefix(RESULT)}", Side.RESULT
    elif side is Side.CONSUMED and key.startswith(SHARED):
        side = Side.SHARED
    return LinkKey(hash63("link", key), side, item.started_ns, item.number, item.trace_id, is_pointer(key))


def read_produced(facts: Facts, call: SpanFacts) -> None:
    """The keys of what a call may have set off."""
    if "clew.link.keys" in call.attributes:
        _read_listed(facts, call, Side.PRODUCED)
    elif not call.failed and call.target is not None and (key := _produced_key(call)):
        _add(facts, [key], call, Side.PRODUCED)


def read_consumed(facts: Facts, invocation: SpanFacts, trigger: Trigger) -> None:
    """The keys of what may have set an invocation off."""
    if "clew.link.keys" in invocation.attributes:
        _read_listed(facts, invocation, Side.CONSUMED)
    elif trigger.type in _MESSAGING and (id := first_text(invocation.attributes, *_MESSAGE_ID)):
        _add(facts, [f"{trigger.type}:{id}"], invocation, Side.CONSUMED)


def read_step(facts: Facts, step: SpanFacts, invocation: SpanFacts) -> None:
    """The same of a step of the invocation that processes a message, told as if the invocation itself did."""
    if id := first_text(step.attributes, *_MESSAGE_ID):
        service = service_name(first_text(step.attributes, "messaging.system", limit=64))
        if service in _MESSAGING:
            _add(facts, [f"{service}:{id}"], invocation, Side.CONSUMED)


def read_span_links(facts: Facts, item: SpanFacts, invocation: SpanFacts) -> None:
    """Links of the invocation's span or of a step of it, such as the CONSUMER span of a message: both tell what set
    the invocation off."""
    found = [
        Link(
            invocation.trace_id,
            0,
            link.trace_id,
            invocation.number,
            span_number(link.span_id),
            invocation.started_ns,
            0,
        )
        for link in item.span.links
        if len(link.trace_id) == 16 and len(link.span_id) == 8 and any(link.trace_id) and any(link.span_id)
        if link.trace_id != invocation.trace_id
    ]
    taken = found[: _room(facts)]
    facts.links.extend(taken)
    facts.dropped_links += len(found) - len(taken)


def _produced_key(call: SpanFacts) -> str:
    target, attributes = call.target, call.attributes
    if target is None:
        return ""
    service = target.resource.service
    if service in _MESSAGING:
        id = first_text(attributes, *_MESSAGE_ID)
        return f"{service}:{id}" if id else ""
    if service == "s3":
        id = first_text(attributes, *_REQUEST_ID) if target.operation in _S3_WRITES else ""
        return f"s3:{id}" if id else ""
    if service == "lambda":
        id = first_text(attributes, *_REQUEST_ID) if target.operation in _INVOKES else ""
        return f"{REQUEST}{id}" if id else ""
    if service == "http":
        for name in _HEADERS:
            value = attributes.get(name)
            if value is not None and (id := text(value[0] if isinstance(value, list) and value else value)):
                return f"apigateway:{id}"
    return ""


def _read_listed(facts: Facts, item: SpanFacts, side: Side) -> None:
    _add(
        facts,
        list(dict.fromkeys(texts(item.attributes["clew.link.keys"], MAX_LINKS, MAX_LINK_KEY_LENGTH))),
        item,
        side,
    )


def _add(facts: Facts, keys: list[str], item: SpanFacts, side: Side) -> None:
    taken = keys[: _room(facts)]
    facts.link_keys.extend([link_key(key, item, side) for key in taken])
    facts.dropped_links += len(keys) - len(taken)


def _room(facts: Facts) -> int:
    return max(0, MAX_LINKS - len(facts.link_keys) - len(facts.links))
