"""Jira: Cloud's REST API 3 with documents, and Data Center's API 2 with text."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.collector.alerts.services.server import Received, Reply, Service, violations

EMAIL, TOKEN = "ops@example.com", "ATATT3xFfGF0-secret-token"
_MARK = {
    "type": "object",
    "properties": {"type": {"enum": ["strong", "code", "em", "link"]}, "attrs": {"type": "object"}},
    "required": ["type"],
    "if": {"properties": {"type": {"const": "link"}}},
    "then": {
        "required": ["attrs"],
        "properties": {"attrs": {"required": ["href"], "properties": {"href": {"pattern": "^https?://"}}}},
    },
}
DOCUMENT = {
    "$defs": {
        "text": {
            "type": "object",
            "properties": {
                "type": {"const": "text"},
                "text": {"type": "string", "minLength": 1},
                "marks": {"type": "array", "items": _MARK},
            },
            "required": ["type", "text"],
            "additionalProperties": False,
        },
        "paragraph": {
            "type": "object",
            "properties": {
                "type": {"const": "paragraph"},
                "content": {"type": "array", "items": {"$ref": "#/$defs/text"}},
            },
            "required": ["type"],
            "additionalProperties": False,
        },
        "code": {
            "type": "object",
            "properties": {
                "type": {"const": "codeBlock"},
                "content": {"type": "array", "items": {"$ref": "#/$defs/text"}},
            },
            "required": ["type"],
            "additionalProperties": False,
        },
        "item": {
            "type": "object",
            "properties": {
                "type": {"const": "listItem"},
                "content": {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/paragraph"}},
            },
            "required": ["type", "content"],
        },
        "list": {
            "type": "object",
            "properties": {
                "type": {"const": "bulletList"},
                "content": {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/item"}},
            },
            "required": ["type", "content"],
        },
    },
    "type": "object",
    "properties": {
        "type": {"const": "doc"},
        "version": {"const": 1},
        "content": {
            "type": "array",
            "items": {
                "anyOf": [{"$ref": f"#/$defs/{name}"} for name in ("paragraph", "code", "list")],
            },
        },
    },
    "required": ["type", "version", "content"],
    "additionalProperties": False,
}
_FIELDS = {
    "type": "object",
    "properties": {
        "project": {"type": "object", "properties": {"key": {"const": "OPS"}}, "required": ["key"]},
        "issuetype": {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]},
        "summary": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": r"^[^\r\n]*$"},
        "labels": {"type": "array", "items": {"type": "string", "pattern": r"^\S+$", "maxLength": 255}},
        "description": True,
    },
    "required": ["project", "issuetype", "summary"],
    "additionalProperties": False,
}
_REMOTE_LINK = {
    "type": "object",
    "properties": {
        "globalId": {"type": "string", "maxLength": 255},
        "application": {"type": "object"},
        "object": {
            "type": "object",
            "properties": {
                "url": {"type": "string", "pattern": "^https?://"},
                "title": {"type": "string", "maxLength": 255},
            },
            "required": ["url", "title"],
        },
    },
    "required": ["object"],
    "additionalProperties": False,
}
MAX_TEXT = 32_767


@dataclass
class Issue:
    fields: dict[str, Any]
    category: str = "new"
    comments: list[Any] = field(default_factory=list)
    links: dict[str, str] = field(default_factory=dict)


class Jira(Service):
    """`cloud` by API 3 and Basic authorization, otherwise API 2 and Bearer. `issues` by key."""

    def __init__(self, context: Any = None, *, cloud: bool = True) -> None:
        super().__init__(context)
        self.cloud = cloud
        self.issues: dict[str, Issue] = {}

    def answer(self, received: Received) -> Reply:
        if received.headers.get("authorization") != self._authorization():
            return Reply(401, {"message": "Client must be authenticated to access this resource."})
        url = urlsplit(received.path)
        path = url.path.removeprefix(f"/rest/api/{3 if self.cloud else 2}/")
        if path == url.path:
            return Reply(404, "")
        if received.method == "POST":
            return self._post(path, received.json())
        if path == ("search/jql" if self.cloud else "search"):
            return self._search(parse_qs(url.query)["jql"][0])
        if path == "project/OPS":
            return Reply(200, {"key": "OPS", "issueTypes": [{"name": "Bug"}, {"name": "Task"}]})
        issue = self.issues.get(path.removeprefix("issue/"))
        if issue is None:
            return Reply(404, {"errorMessages": ["Issue does not exist or you do not have permission to see it."]})
        return Reply(200, {"fields": {"status": {"statusCategory": {"key": issue.category}}}})

    def _post(self, path: str, body: Any) -> Reply:
        if path == "issue":
            fields = body.get("fields", {})
            found = violations(_FIELDS, fields) + self._text_faults(fields.get("description"))
            if fields.get("issuetype", {}).get("name") not in ("Bug", "Task"):
                return Reply(400, {"errorMessages": [], "errors": {"issuetype": "Specify a valid issue type"}})
            if found:
                return self._invalid(found)
            key = f"OPS-{len(self.issues) + 1}"
            self.issues[key] = Issue(fields)
            return Reply(
                201, {"id": str(10_000 + len(self.issues)), "key": key, "self": f"{self.url}/rest/api/3/issue/1"}
            )
        _, key, what = path.split("/")
        if key not in self.issues:
            return Reply(404, {"errorMessages": ["Issue does not exist"]})
        if what == "comment":
            if found := self._text_faults(body.get("body")):
                return self._invalid(found)
            self.issues[key].comments.append(body["body"])
            return Reply(201, {"id": "1"})
        if found := violations(_REMOTE_LINK, body):
            return self._invalid(found)
        self.issues[key].links[body["globalId"]] = body["object"]["url"]
        return Reply(201, {"id": 1})

    def _invalid(self, found: list[str]) -> Reply:
        self.faults.extend(found)
        return Reply(400, {"errorMessages": found, "errors": {}})

    def _text_faults(self, text: Any) -> list[str]:
        found = violations(DOCUMENT if self.cloud else {"type": "string"}, text)
        return found + (["too long"] if len(str(text)) > 2 * MAX_TEXT else [])

    def _search(self, jql: str) -> Reply:
        match = re.fullmatch(
            r'project = "OPS" AND labels = "([\w-]+)" AND statusCategory != Done ORDER BY created DESC', jql
        )
        if match is None:
            self.fault(jql)
            return Reply(400, {"errorMessages": ["Error in the JQL Query"]})
        found = [
            {"key": key, "id": key}
            for key, issue in self.issues.items()
            if match[1] in issue.fields.get("labels", ()) and issue.category != "done"
        ]
        return Reply(200, {"issues": found[::-1]})

    def _authorization(self) -> str:
        if not self.cloud:
            return f"Bearer {TOKEN}"
        return "Basic " + base64.b64encode(f"{EMAIL}:{TOKEN}".encode()).decode()
