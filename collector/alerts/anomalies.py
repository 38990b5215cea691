"""How unusual a value is for its hour, and what the month costs: from the sums of hours that are over."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from operator import itemgetter
from typing import Any, NamedTuple, TypeVar

from collector.alerts import anomaly
from collector.alerts.model import Condition, Metric
from collector.alerts.sources import DURATIONS, FUNCTIONS
from collector.alerts.sums import ERRORS, INVOCATIONS, NOTHING, Values, cost_pd
from collector.alerts.windows import Windows
from collector.domain.histogram import percentile_ms

_DOLLAR_PD = 1e12
_MEASURES: Mapping[Metric, Callable[[Values], float]] = {
    Metric.INVOCATIONS: itemgetter(INVOCATIONS),
    Metric.ERRORS: itemgetter(ERRORS),
    Metric.COST: lambda values: cost_pd(values) / _DOLLAR_PD,
}
T = TypeVar("T")


class _Hour(NamedTuple):
    """An hour of the clock on a past day, the next one with its share, and what is known of both."""

    start_s: int
    share: float
    first: Mapping[int, Any]
    second: Mapping[int, Any]


def score_of(windows: Windows, condition: Condition, ids: Collection[int]) -> tuple[float, int] | None:
    """How many usual deviations these functions' last hour is above what it was on past days, with the invocations of
    that hour. None: there is too little of a past, or of durations nothing ran."""
    functions = windows.catalog.functions
    known_ms = min([functions[id].first_seen_ms for id in ids if id in functions], default=0)
    earliest_s = max(windows.oldest_s - windows.oldest_s % anomaly.HOUR_S, known_ms / 1000)
    hours = [hour for hour in _same_hours(windows, condition) if hour.start_s >= earliest_s]
    if condition.metric is Metric.DURATION:
        return _score_of_durations(windows, condition, ids, hours)
    sums = _added(windows.functions(anomaly.HOUR_S), ids)
    measure = _MEASURES[condition.metric]
    if len(ids) == 1:
        (id,) = ids
        both = [(hour.first.get(id, NOTHING), hour.second.get(id, NOTHING)) for hour in hours]
    else:
        both = [_both(windows, _added, hour, ids) for hour in hours]
    past = [
        (1 - hour.share) * measure(first) + hour.share * measure(second)
        for hour, (first, second) in zip(hours, both, strict=True)
    ]
    counted = condition.metric in (Metric.INVOCATIONS, Metric.ERRORS)
    score = anomaly.deviation(measure(sums), past, counted=counted)
    return (score, sums[INVOCATIONS]) if score is not None else None


def _score_of_durations(
    windows: Windows, condition: Condition, ids: Collection[int], hours: Sequence[_Hour]
) -> tuple[float, int] | None:
    counts = _merged(windows.histograms(anomaly.HOUR_S), ids)
    value = percentile_ms(counts, condition.percentile)
    if value is None:
        return None
    past = []
    for hour in hours:
        both = [percentile_ms(one, condition.percentile) for one in _both(windows, _merged, hour, ids)]
        # Of no invocations no duration is usual; where only one of the two hours has some, it speaks for both.
        some = [one for one in both if one is not None]
        if some:
            past.append(some[0] + hour.share * (some[-1] - some[0]))
    score = anomaly.deviation(value, past, counted=False)
    return (score, sum(count for _, count in counts)) if score is not None else None


def _same_hours(windows: Windows, condition: Condition) -> Sequence[_Hour]:
    name = DURATIONS if condition.metric is Metric.DURATION else FUNCTIONS
    key = ("same hours", name, condition.days)
    found: list[_Hour] | None = windows.cache.get(key)
    if found is None:
        hours = anomaly.same_hours(windows.now_s, condition.days)
        windows.read_hours(name, {start_s for *both, _ in hours for start_s in both})
        read = windows.hour if name == FUNCTIONS else windows.histogram_hour
        found = windows.cache[key] = [_Hour(first, share, read(first), read(second)) for first, second, share in hours]
    return found


def _both(windows: Windows, join: Callable[..., T], hour: _Hour, ids: Collection[int]) -> tuple[T, T]:
    """What the functions did in the two hours. Of several that lasts for the moments that look at the same hours."""
    if len(ids) == 1:
        return join(hour.first, ids), join(hour.second, ids)
    key = ("both", join, hour.start_s, ids)
    if key not in windows.lasting:
        windows.lasting[key] = join(hour.first, ids), join(hour.second, ids)
    found: tuple[T, T] = windows.lasting[key]
    return found


def _added(sums: Mapping[int, Values], ids: Collection[int]) -> Values:
    if len(ids) == 1:
        (id,) = ids
        return sums.get(id, NOTHING)
    return tuple(map(sum, zip(NOTHING, *[sums[id] for id in ids if id in sums], strict=True)))


def _merged(histograms: Mapping[int, Mapping[int, int]], ids: Collection[int]) -> list[tuple[int, int]]:
    return [pair for id in ids if id in histograms for pair in histograms[id].items() if pair[1] > 0]


def spent(windows: Windows) -> Mapping[int, int]:
    """By function: what the month has cost so far, in picodollars."""
    return windows.spent(anomaly.month_start(windows.now_s))


def forecast_of(windows: Windows, ids: Collection[int]) -> float:
    """What these functions will have cost when the month is over, in US dollars."""
    t = windows.now_s
    start = anomaly.pace_start(t, windows.oldest_s)
    month, week = spent(windows), windows.spent(start)
    so_far = sum([month.get(id, 0) for id in ids])
    lately = sum([week.get(id, 0) for id in ids])
    return anomaly.forecast(so_far / _DOLLAR_PD, lately / _DOLLAR_PD, t - start, t)
