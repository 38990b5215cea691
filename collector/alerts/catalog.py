"""What rules are about, by name: the functions, which of them are in a scope, and the issues that count."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from fnmatch import translate
from typing import NamedTuple

from sqlalchemy import Connection, select

from collector.alerts.model import Scope, Subject, SubjectKind
from collector.domain.facts import FAILURES, IssueKind
from collector.domain.issue_states import Decision
from collector.store import tables
from collector.store.issue_tables import issue_states
from collector.store.statements import select_among

_WILD = re.compile(r"[*?\[]")
# How failures are worded that mean "the client was wrong": by OpenTelemetry's type, by urllib's, requests' and httpx's
# messages.
_STATUS_TYPE = re.compile(r"(?:HTTP )?4\d\d")
_STATUS_MESSAGE = re.compile(r"(?:HTTP Error 4\d\d\b|4\d\d Client Error\b|Client error '4\d\d\b)")


# Kinds of issues that "any issue" means. A call that failed and was dealt with is not one; of too little time or memory
# there are conditions of their own.
TOLD = FAILURES | {IssueKind.REPORTED, IssueKind.HANDLED, IssueKind.THROTTLED}


class FunctionFacts(NamedTuple):
    """Of a function what conditions and scopes ask for."""

    id: int
    kind: str
    account: str
    region: str
    name: str
    memory_mb: int | None
    timeout_ms: int | None
    first_seen_ms: int


class IssueFacts(NamedTuple):
    """Of an issue the same."""

    id: int
    function_id: int
    type: str
    kind: IssueKind
    failure: bool  # invocations failed with it
    client_error: bool  # 4xx
    muted: bool

    def is_of(self, types: Collection[str]) -> bool:
        """Whether it is of one of the types: what its failures are called, or its kind, such as `near-memory`. Without
        types, of any kind that is worth a message by itself."""
        if not types:
            return self.kind in TOLD
        return self.type in types or self.kind.name.lower().replace("_", "-") in types


_FUNCTIONS = select(
    *(tables.functions.c[name] for name in FunctionFacts._fields),
)


@dataclass(slots=True)
class Catalog:
    """The functions. It lasts: which of them a scope holds is worked out once, and for new ones when they come."""

    functions: dict[int, FunctionFacts] = field(default_factory=dict)
    _ids: dict[str, list[int]] = field(default_factory=dict)  # by name
    _scopes: dict[Scope, tuple[int, frozenset[int]]] = field(default_factory=dict)
    _order: list[int] = field(default_factory=list)  # as they came

    MOST_SCOPES = 10_000

    def refresh(self, connection: Connection) -> None:
        """Reads the functions."""
        found = {row.id: row for row in (FunctionFacts(*row) for row in connection.execute(_FUNCTIONS))}
        if not self.functions.keys() <= found.keys():
            self._order.clear()
            self._ids.clear()
            self._scopes.clear()
        known = set(self._order)
        for id, function in found.items():
            if id not in known:
                self._order.append(id)
                self._ids.setdefault(function.name, []).append(id)
        self.functions = found

    def within(self, scope: Scope) -> frozenset[int]:
        """Ids of the functions in the scope."""
        seen, ids = self._scopes.get(scope, (0, frozenset[int]()))
        if seen < len(self._order) or scope not in self._scopes:
            if len(self._scopes) >= self.MOST_SCOPES:
                self._scopes.clear()
                seen, ids = 0, frozenset()
            ids |= self._matching(scope, self._order[seen:])
            self._scopes[scope] = (len(self._order), ids)
        return ids

    def _matching(self, scope: Scope, ids: Iterable[int]) -> frozenset[int]:
        literal = {name for name in scope.functions if not _WILD.search(name)}
        patterns = [re.compile(translate(name)) for name in scope.functions if _WILD.search(name)]
        if literal and not patterns:
            among = set(ids)
            ids = [id for name in literal for id in self._ids.get(name, ()) if id in among]
        found = []
        for id in ids:
            function = self.functions.get(id)
            if function is None or (scope.regions and function.region not in scope.regions):
                continue
            if scope.accounts and function.account not in scope.accounts:
                continue
            if not scope.functions or function.name in literal or any(one.match(function.name) for one in patterns):
                found.append(id)
        return frozenset(found)

    def subject(self, id: int) -> Subject:
        """The function as what an alert is about."""
        function = self.functions[id]
        return Subject(
            SubjectKind.FUNCTION,
            f"function:{id}",
            function.name,
            function_id=id,
            function_name=function.name,
            region=function.region,
            account=function.account,
        )


def read_issues(connection: Connection, ids: Collection[int], *, now_ms: int) -> dict[int, IssueFacts]:
    """The issues with these ids."""
    found = {}
    muted = _muted(connection, ids, now_ms)
    statement = "SELECT id, function_id, type, message, kind FROM issues WHERE id IN ??"
    for id, function_id, type, message, kind in select_among(connection, statement, "??", ids):
        found[id] = IssueFacts(
            id,
            function_id,
            type,
            IssueKind(kind),
            kind in FAILURES,
            is_client_error(type, message),
            id in muted,
        )
    return found


def any_muted(connection: Connection, *, now_ms: int) -> bool:
    """Whether any issue is muted."""
    states = issue_states.c
    muted = (states.status == int(Decision.MUTED)) & (states.until_ms.is_(None) | (states.until_ms > now_ms))
    return connection.execute(select(states.issue_id).where(muted).limit(1)).first() is not None


def _muted(connection: Connection, ids: Collection[int], now_ms: int) -> set[int]:
    statement = f"SELECT issue_id, until_ms FROM issue_states WHERE status = {int(Decision.MUTED)} AND issue_id IN ??"  # noqa: S608
    return {
        id for id, until_ms in select_among(connection, statement, "??", ids) if until_ms is None or until_ms > now_ms
    }


def is_client_error(type: str, message: str) -> bool:
    """Whether an issue is an HTTP status of 4xx: the caller's mistake, not the function's."""
    return bool(_STATUS_TYPE.fullmatch(type) or _STATUS_MESSAGE.match(message))


def describe(scope: Scope) -> str:
    """The scope in words, for a person."""
    parts = []
    if scope.functions:
        parts.append(", ".join(scope.functions))
    if scope.regions:
        parts.append("in " + ", ".join(scope.regions))
    if scope.accounts:
        parts.append("of " + ", ".join(scope.accounts))
    if scope.execution_tags:
        parts.append("with " + ", ".join(f"{key}={value}" for key, value in scope.execution_tags))
    return " ".join(parts) or "all functions"
