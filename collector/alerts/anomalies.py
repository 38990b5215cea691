"""How unusual a value is for its hour, and what the month costs: from the sums of hours that are over."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from collector.alerts import anomaly
from collector.alerts.model import Condition, Metric
from collector.alerts.sums import ERRORS, INVOCATIONS, NOTHING, Values, cost_pd
from collector.alerts.windows import Windows
from collector.domain.histogram import percentile_ms

_POSITIONS = {Metric.INVOCATIONS: INVOCATIONS, Metric.ERRORS: ERRORS}
_DOLLAR_PD = 1e12


def score_of(windows: Windows, condition: Condition, ids: Collection[int]) -> tuple[float, int] | None:
    """How many usual deviations these functions' last hour is above what it was on past days, with the invocations of
    that hour. None: there is too little of a past, or of durations nothing ran."""
    now = _metric(windows, condition, ids, None)
    if now is None and condition.metric is Metric.DURATION:
        return None
    value, sample = now or (0.0, 0)
    known_ms = [windows.catalog.functions[id].first_seen_ms for id in ids if id in windows.catalog.functions]
    known_s = min(known_ms, default=0) / 1000
    past = []
    for first, second, share in anomaly.same_hours(windows.now_s, condition.days):
        if first < windows.oldest_s - windows.oldest_s % anomaly.HOUR_S or first < known_s:
            continue
        both = [_metric(windows, condition, ids, hour) for hour in (first, second)]
        if condition.metric is Metric.DURATION:
            # Of no invocations no duration is usual; where only one of the two hours has some, it speaks for both.
            some = [one[0] for one in both if one is not None]
            if some:
                past.append(some[0] + share * (some[-1] - some[0]))
        else:
            one, other = (hour[0] if hour is not None else 0.0 for hour in both)
            past.append((1 - share) * one + share * other)
    counted = condition.metric in (Metric.INVOCATIONS, Metric.ERRORS)
    score = anomaly.deviation(value, past, counted=counted)
    return (score, sample) if score is not None else None


def _metric(
    windows: Windows, condition: Condition, ids: Collection[int], hour_s: int | None
) -> tuple[float, int] | None:
    """In the hour that began then, or (None) in the last hour."""
    if hour_s is None or len(ids) == 1:
        return _measure(windows, condition, ids, hour_s)
    key = ("metric", condition.metric, condition.percentile, ids, hour_s)
    if key not in windows.lasting:
        windows.lasting[key] = _measure(windows, condition, ids, hour_s)
    found: tuple[float, int] | None = windows.lasting[key]
    return found


def _measure(
    windows: Windows, condition: Condition, ids: Collection[int], hour_s: int | None
) -> tuple[float, int] | None:
    if condition.metric is Metric.DURATION:
        counts = windows.histograms(anomaly.HOUR_S) if hour_s is None else windows.histogram_hour(hour_s)
        some = [pair for id in ids if id in counts for pair in counts[id].items() if pair[1] > 0]
        value = percentile_ms(some, condition.percentile)
        return (value, sum(count for _, count in some)) if value is not None else None
    sums = windows.functions(anomaly.HOUR_S) if hour_s is None else windows.hour(hour_s)
    position = _POSITIONS.get(condition.metric)
    value = sample = 0
    for id in ids:
        one = sums.get(id)
        if one is not None:
            value += cost_pd(one) if position is None else one[position]
            sample += one[INVOCATIONS]
    return (value / _DOLLAR_PD if condition.metric is Metric.COST else value), sample


def spent(windows: Windows) -> Mapping[int, Values]:
    """By function: the sums of the month so far."""
    return windows.since(anomaly.month_start(windows.now_s))


def forecast_of(windows: Windows, ids: Collection[int]) -> float:
    """What these functions will have cost when the month is over, in US dollars."""
    t = windows.now_s
    start = anomaly.pace_start(t, windows.oldest_s)
    month, week = spent(windows), windows.since(start)
    so_far = sum(cost_pd(month.get(id, NOTHING)) for id in ids)
    lately = sum(cost_pd(week.get(id, NOTHING)) for id in ids)
    return anomaly.forecast(so_far / _DOLLAR_PD, lately / _DOLLAR_PD, t - start, t)
