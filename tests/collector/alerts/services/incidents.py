"""PagerDuty's Events API v2, and Opsgenie's Alert API as Jira Service Management has it too."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.collector.alerts.services.server import Received, Reply, Service, violations

ROUTING_KEY = "0123456789abcdef0123456789abcdef"
_LINKS = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {"href": {"type": "string", "pattern": "^https?://"}, "text": {"type": "string"}},
        "required": ["href"],
        "additionalProperties": False,
    },
}
_PAYLOAD = {
    "type": "object",
    "properties": {
        "summary": {"type": "string", "minLength": 1, "maxLength": 1024},
        "source": {"type": "string", "minLength": 1},
        "severity": {"enum": ["critical", "error", "warning", "info"]},
        "timestamp": {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$"},
        "component": {"type": "string"},
        "group": {"type": "string"},
        "class": {"type": "string"},
        "custom_details": {"type": "object"},
    },
    "required": ["summary", "source", "severity"],
    "additionalProperties": False,
}
EVENT = {
    "type": "object",
    "properties": {
        "routing_key": {"type": "string", "pattern": "^[A-Za-z0-9]{32}$"},
        "event_action": {"enum": ["trigger", "acknowledge", "resolve"]},
        "dedup_key": {"type": "string", "minLength": 1, "maxLength": 255},
        "payload": _PAYLOAD,
        "links": _LINKS,
        "images": {"type": "array"},
        "client": {"type": "string"},
        "client_url": {"type": "string"},
    },
    "required": ["routing_key", "event_action"],
    "additionalProperties": False,
    "if": {"properties": {"event_action": {"const": "trigger"}}},
    "then": {"required": ["payload"]},
    "else": {"required": ["dedup_key"]},
}
MAX_EVENT = 512 * 1024


class PagerDuty(Service):
    """`open` are the incidents by key; `opened` counts how often one was made, not joined."""

    def __init__(self, context: Any = None) -> None:
        super().__init__(context)
        self.open: dict[str, str] = {}
        self.opened: dict[str, int] = {}

    def answer(self, received: Received) -> Reply:
        event = received.json()
        found = violations(EVENT, event)
        if len(received.body) > MAX_EVENT:
            found.append("too large")
        if received.path != "/v2/enqueue":
            return Reply(404)
        if found or event["routing_key"] != ROUTING_KEY:
            self.faults.extend(found)
            body = {
                "status": "invalid event",
                "message": "Event object is invalid",
                "errors": found or ["invalid routing key"],
            }
            return Reply(400, body)
        key = event["dedup_key"]
        if event["event_action"] == "resolve":
            self.open.pop(key, None)
        elif event["event_action"] == "acknowledge":
            if key in self.open:
                self.open[key] = "acknowledged"
        else:
            self.opened[key] = self.opened.get(key, 0) + (key not in self.open)
            self.open.setdefault(key, "triggered")
        return Reply(202, {"status": "success", "message": "Event processed", "dedup_key": key})


GENIE_KEY = "eb243592-faa2-4ba2-a551q-1afdf565c889"
ALERT = {
    "type": "object",
    "properties": {
        "message": {"type": "string", "minLength": 1, "maxLength": 130},
        "alias": {"type": "string", "minLength": 1, "maxLength": 512},
        "description": {"type": "string", "maxLength": 15_000},
        "tags": {"type": "array", "maxItems": 20, "items": {"type": "string", "maxLength": 50}},
        "details": {"type": "object", "additionalProperties": {"type": "string"}},
        "entity": {"type": "string", "maxLength": 512},
        "source": {"type": "string", "maxLength": 100},
        "priority": {"enum": ["P1", "P2", "P3", "P4", "P5"]},
        "user": {"type": "string", "maxLength": 100},
        "note": {"type": "string", "maxLength": 25_000},
    },
    "required": ["message"],
    "additionalProperties": False,
}
FOLLOW = {
    "type": "object",
    "properties": {
        "user": {"type": "string", "maxLength": 100},
        "source": {"type": "string", "maxLength": 100},
        "note": {"type": "string", "maxLength": 25_000},
    },
    "additionalProperties": False,
}


class Opsgenie(Service):
    """`prefix` is what comes before /v2. A request is known after it was asked for `slow` times; `refuses` is what its
    outcome says instead of success."""

    def __init__(self, context: Any = None, prefix: str = "") -> None:
        super().__init__(context)
        self.prefix = prefix
        self.open: dict[str, str] = {}
        self.slow = 1
        self.refuses = ""
        self._asked: dict[str, int] = {}

    def answer(self, received: Received) -> Reply:
        if received.headers.get("authorization") != f"GenieKey {GENIE_KEY}":
            return Reply(403, {"message": "Key format is not valid!", "took": 0.0, "requestId": "r"})
        url = urlsplit(received.path)
        parts = url.path.removeprefix(f"{self.prefix}/v2/alerts").strip("/").split("/")
        if received.method == "GET" and parts[0] == "requests":
            return self._outcome(parts[1])
        found = violations(ALERT if parts == [""] else FOLLOW, received.json())
        if parts == [""]:
            details = received.json().get("details", {})
            if sum(len(key) + len(value) for key, value in details.items()) > 8_000:
                found.append("details")
        elif parse_qs(url.query) != {"identifierType": ["alias"]}:
            found.append("identifierType")
        if found:
            self.faults.extend(found)
            return Reply(422, {"message": "Request body is not processable.", "errors": {"body": found[0]}})
        self._do(parts, received)
        id = f"request-{len(self.received)}"
        return Reply(202, {"result": "Request will be processed", "took": 0.1, "requestId": id})

    def _do(self, parts: list[str], received: Received) -> None:
        if parts == [""]:
            self.open.setdefault(received.json()["alias"], "open")
        elif parts[1] == "close":
            self.open.pop(parts[0], None)
        elif parts[0] in self.open:
            self.open[parts[0]] = "acknowledged"

    def _outcome(self, id: str) -> Reply:
        self._asked[id] = self._asked.get(id, 0) + 1
        if self._asked[id] <= self.slow:
            return Reply(404, {"message": "Request not found. It might not be processed, yet."})
        success = not self.refuses
        data = {"success": success, "isSuccess": success, "action": "Create", "status": self.refuses or "Created alert"}
        return Reply(200, {"data": data, "took": 0.1, "requestId": id})
