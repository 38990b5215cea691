"""OTLP's JSON, which is protobuf's JSON but for the ids: hexadecimal where protobuf has base64.

Bodies are rewritten there and then read by protobuf itself. Everything else behind this module is protobuf bytes.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator
from typing import Any

from google.protobuf import json_format
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from collector.domain.errors import MalformedExport

_Object = dict[str, Any]


def traces_to_protobuf(body: bytes) -> bytes:
    """Raises MalformedExport."""
    export = _load(body)
    for span in _objects(export, "resourceSpans", "scopeSpans", "spans"):
        _rewrite(span, "traceId", "spanId", "parentSpanId")
        for link in _objects(span, "links"):
            _rewrite(link, "traceId", "spanId")
    return _serialize(export, ExportTraceServiceRequest())


def logs_to_protobuf(body: bytes) -> bytes:
    """Raises MalformedExport."""
    export = _load(body)
    for record in _objects(export, "resourceLogs", "scopeLogs", "logRecords"):
        _rewrite(record, "traceId", "spanId")
    return _serialize(export, ExportLogsServiceRequest())


def _load(body: bytes) -> _Object:
    try:
        export = json.loads(body)
    except (ValueError, RecursionError) as error:
        # ValueError: not JSON, not UTF-8, or a number of thousands of digits.
        raise MalformedExport(f"the body is not JSON: {_short(error)}") from error
    if not isinstance(export, dict):
        raise MalformedExport("the body is no JSON object")
    return export


def _objects(parent: _Object, *path: str) -> Iterator[_Object]:
    """All objects at the path; whatever has another shape is left for protobuf to complain about."""
    found = parent.get(path[0])
    for item in found if isinstance(found, list) else ():
        if isinstance(item, dict):
            if len(path) == 1:
                yield item
            else:
                yield from _objects(item, *path[1:])


def _rewrite(holder: _Object, *names: str) -> None:
    for name in names:
        text = holder.get(name)
        if not isinstance(text, str):
            continue
        try:
            number = bytes.fromhex(text)
        except ValueError:
            raise MalformedExport(f"{name} {text[:40]!r} is not hexadecimal") from None
        holder[name] = b64encode(number).decode("ascii")


def _serialize(export: _Object, message: ExportTraceServiceRequest | ExportLogsServiceRequest) -> bytes:
    try:
        json_format.ParseDict(export, message, ignore_unknown_fields=True)
    except (json_format.ParseError, ValueError, TypeError, AttributeError, RecursionError) as error:
        # Beside its own error, protobuf lets through what its code meets in values of unexpected shape.
        raise MalformedExport(f"the body is no {message.DESCRIPTOR.name} in JSON: {_short(error)}") from error
    return message.SerializeToString()


def _short(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= 200 else text[:199] + "…"
