"""What templates may call."""

from __future__ import annotations

from collections.abc import Iterable

from flask import Flask, g
from markupsafe import Markup

from collector.alerts.wording import span
from collector.domain.facts import FAILURES, FREE
from collector.store.queries.common import IssueLabel, IssueRef
from collector.store.queries.issues import IssueRow
from webapp import sparkline
from webapp.formatting import money, numbers, times, words
from webapp.identifiers import format_id, format_span_id


def init_app(app: Flask) -> None:
    app.jinja_env.filters.update(
        count=numbers.count,
        ratio=numbers.ratio,
        ms=numbers.milliseconds,
        ns=numbers.nanoseconds,
        mb=numbers.megabytes,
        size=numbers.size,
        money=money.money,
        whole_cost=money.whole_cost,
        sum_money=money.sum_money,
        calls_money=money.calls_money,
        iso=times.iso,
        ago=_ago,
        clock=_clock,
        clock_ns=_clock_ns,
        moment=times.moment_tag,
        minute=_minute,
        id=format_id,
        span_id=format_span_id,
        service_name=words.service_name,
        service_icon=words.service_icon,
        brief=words.brief,
        trigger_name=words.trigger_name,
        resource_name=words.resource_name,
        function_icon=words.function_icon,
        issue_tone=words.issue_tone,
        result_name=words.result_name,
        result_tone=words.result_tone,
        issue_class=_issue_class,
        span=span,
        bytes=bytes.fromhex,
        zipped=_zipped,
    )
    app.add_template_global(numbers.share, "share")
    app.add_template_global(words.start_words, "start_words")
    app.add_template_global(words.kind_words, "kind_words")
    app.jinja_env.globals.update(FAILURES=FAILURES, FREE=FREE)
    app.add_template_global(money.decimals, "decimals")
    app.add_template_global(money.whole_decimals, "whole_decimals")
    app.add_template_global(money.whole_pd, "whole_pd")
    app.add_template_global(money.call_cost, "call_cost")
    app.add_template_global(money.mean_cost, "mean_cost")
    app.add_template_global(sparkline.sparkline, "sparkline")


def _issue_class(issue: IssueLabel | IssueRow | IssueRef) -> str:
    return words.kind_tone(issue.kind, issue.type)


def _zipped(texts: Iterable[str]) -> list[tuple[str, str]]:
    """For choices that are called what they are."""
    return [(text, text) for text in texts]


def _ago(ms: float | None) -> Markup:
    return times.ago_tag(ms, g.now_ms)


def _clock(ms: float) -> Markup:
    return times.clock_tag(ms, g.now_ms)


def _minute(ms: float) -> Markup:
    return times.minute_tag(ms, g.now_ms)


def _clock_ns(ns: int) -> Markup:
    return times.clock_tag(ns / 1e6, g.now_ms, precise=True)
