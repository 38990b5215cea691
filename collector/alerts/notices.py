"""Notices from alerts: what there is to tell, with all that a message says."""

from __future__ import annotations

from collector.alerts.catalog import Catalog
from collector.alerts.details import Details
from collector.alerts.lifecycle import Record
from collector.alerts.model import Notice, NoticeKind, Rule, Severity, Subject, SubjectKind, began


def notice_of(
    kind: NoticeKind,
    rule: Rule,
    record: Record,
    catalog: Catalog,
    *,
    now_ms: int,
    details: Details | None = None,
    by: str | None = None,
    note: str = "",
) -> Notice:
    """What is told of an alert now."""
    told = details or Details(count=record.count)
    return Notice(
        alert_id=record.id,
        kind=kind,
        rule=rule,
        severity=Severity(record.severity),
        subject=subject_of(record, catalog),
        value=record.peak if kind is NoticeKind.RESOLVED else record.value,
        threshold=record.threshold,
        window_s=rule.window_s,
        since_s=began(record.since_s),
        at_ms=now_ms,
        count=told.count,
        invocations=told.invocations,
        errors=told.errors,
        functions=told.functions,
        sample=told.sample,
        issue=told.issue,
        cost_pd=told.cost_pd,
        until_s=record.last_s if kind is NoticeKind.RESOLVED else None,
        by=by,
        note=note,
    )


def subject_of(record: Record, catalog: Catalog) -> Subject:
    """What the alert is about, with where its function is."""
    function = catalog.functions.get(record.function_id) if record.function_id is not None else None
    return Subject(
        SubjectKind(record.subject_kind),
        record.subject_key,
        record.subject_name,
        function_id=record.function_id,
        function_name=function.name if function is not None else None,
        region=function.region if function is not None else None,
        account=function.account if function is not None else None,
        issue_id=record.issue_id,
        resource_id=record.resource_id,
    )
