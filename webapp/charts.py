"""Figures for plotly.js, built and validated by Python's plotly.

Colours are roles (`meta`), which the script turns into those of the light or dark theme. Times are milliseconds since
1970; the script moves them to the reader's zone. The bucket that is not over yet is drawn lighter.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Sequence

from markupsafe import Markup
from plotly import graph_objects

from collector.store.queries.common import Point
from webapp.formatting.numbers import count, milliseconds, share

UNFINISHED_OPACITY = 0.4
DAYS_WITH_TIMES = 3  # longer ranges name days only
NO_TEMPLATE = graph_objects.layout.Template()
# Steps of the vertical axis by their first figure.
STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
Words = Callable[[float], str]


def stacked_bars(
    totals: Sequence[Point],
    parts: Sequence[Point],
    bucket_s: int,
    now_ms: int,
    *,
    noun: str,
    part_noun: str,
    others: Sequence[Point] = (),
    other_noun: str = "",
) -> Markup:
    """Counts over time, the failing part of each at the bottom. `others`: another part, above it."""
    others = others or [Point(total.start_ms, 0) for total in totals]
    texts = [
        f"{count(total.value)} {noun}"
        + (f"<br>{count(part.value)} {part_noun} ({share(part.value, total.value)})" if part.value else "")
        + (f"<br>{count(other.value)} {other_noun} ({share(other.value, total.value)})" if other.value else "")
        for total, part, other in zip(totals, parts, others, strict=True)
    ]
    rest = [
        Point(total.start_ms, total.value - part.value - other.value)
        for total, part, other in zip(totals, parts, others, strict=True)
    ]
    figure = _figure(totals, bucket_s, max((point.value for point in totals), default=0), count, whole=True)
    figure.add_trace(_bars(parts, bucket_s, now_ms, role="error", texts=texts, pattern="/"))
    if any(other.value for other in others):
        figure.add_trace(_bars(others, bucket_s, now_ms, role="p95", texts=None, pattern="."))
    figure.add_trace(_bars(rest, bucket_s, now_ms, role="main", texts=None))
    figure.update_layout(barmode="stack")
    return _json(figure)


def bars(
    points: Sequence[Point],
    bucket_s: int,
    now_ms: int,
    *,
    role: str,
    words: Words,
    axis: Words = count,
    whole: bool = False,
) -> Markup:
    """One figure over time; `words` says a value with its unit, `axis` one beside the axis."""
    figure = _figure(points, bucket_s, max((point.value for point in points), default=0), axis, whole=whole)
    texts = [words(point.value) for point in points]
    figure.add_trace(_bars(points, bucket_s, now_ms, role=role, texts=texts))
    return _json(figure)


def durations(average: Sequence[Point], p95: Sequence[Point], bucket_s: int, now_ms: int) -> Markup:
    """Two lines in ms, NaN where nothing ran."""
    known = [point.value for point in (*average, *p95) if not math.isnan(point.value)]
    figure = _figure(average, bucket_s, max(known, default=0), milliseconds)
    for points, role, name in ((p95, "p95", "p95"), (average, "main", "average")):
        _add_line(figure, points, bucket_s, now_ms, role=role, name=name)
    return _json(figure)


def with_peaks(
    points: Sequence[tuple[int, float | None]], fired: Sequence[tuple[int, int | None, float]], *, lowest: bool = False
) -> list[tuple[int, float | None]]:
    """The points, which are looked at less often than the rule is, with what lies between them: where it would have
    fired, the value is the farthest that it went (`lowest`: down). Arguments as `against_threshold` has them."""
    found = list(points)
    moments = [second for second, _ in found]
    for since_s, until_s, peak in fired:
        first = bisect_left(moments, since_s)
        last = len(moments) if until_s is None else bisect_left(moments, until_s) + 1
        within = [value for _, value in found[first:last] if value is not None]
        if first == len(moments) or (within and (min(within) <= peak if lowest else max(within) >= peak)):
            continue
        found[first] = (moments[first], peak)
    return found


def against_threshold(
    points: Sequence[tuple[int, float | None]],
    threshold: float,
    fired: Sequence[tuple[int, int | None, float]],
    *,
    words: Words,
) -> Markup:
    """A value over time, the line that it must not cross, and when it would have been, or was, beyond it.

    Times are seconds since 1970. `fired`: since when, until when (None: it still is) and how far; where there is
    neither a value nor a threshold, that alone is drawn.
    """
    start_s, end_s = points[0][0], points[-1][0]
    known = [value for _, value in points if value is not None]
    largest = max([*known, threshold, *(peak for *_, peak in fired)], default=0)
    figure = _figure([Point(start_s * 1000, 0.0)], end_s - start_s, largest, words)
    shown = largest * 1.04 or 1
    # Half a per cent of the width at least, or what was short is not seen.
    shortest_s = max(60, (end_s - start_s) // 200)
    if fired:
        figure.add_trace(
            graph_objects.Bar(
                x=[since_s * 1000 for since_s, *_ in fired],
                y=[shown for _ in fired],
                offset=0,
                width=[
                    max((end_s if until is None else until) - since, shortest_s) * 1000 for since, until, _ in fired
                ],
                marker={"opacity": 0.22},
                meta="error",
                hoverinfo="skip",
            )
        )
    figure.add_trace(
        graph_objects.Scatter(
            x=[second * 1000 for second, _ in points],
            y=[value for _, value in points],
            mode="lines",
            line={"width": 1.75, "shape": "hv"},
            marker={"size": 4},
            meta="main",
            customdata=[["" if value is None else words(value), second * 1000] for second, value in points],
            hovertemplate="%{customdata[0]}<br>%{customdata[1]|%-d %b %H:%M}<extra></extra>",
        )
    )
    if fired:
        figure.add_trace(
            graph_objects.Scatter(
                x=[since * 1000 for since, *_ in fired],
                y=[peak for *_, peak in fired],
                mode="markers",
                marker={"size": 6, "symbol": "diamond"},
                meta="error",
                customdata=[[f"fired, up to {words(peak)}", since * 1000] for since, _, peak in fired],
                hovertemplate="%{customdata[0]}<br>%{customdata[1]|%-d %b %H:%M}<extra></extra>",
            )
        )
    figure.add_trace(
        graph_objects.Scatter(
            x=[start_s * 1000, end_s * 1000],
            y=[threshold, threshold],
            mode="lines",
            line={"width": 1.5, "dash": "dash"},
            marker={"size": 1},
            meta="error",
            hoverinfo="skip",
        )
    )
    return _json(figure)


def axis_steps(largest: float, *, whole: bool = False) -> list[float]:
    """Two to five round values from 0 to above `largest`."""
    if largest <= 0:
        return [0.0]
    rough = largest / 3
    magnitude = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * magnitude for factor in STEPS if factor * magnitude >= rough * 0.999999)
    if whole:
        step = max(1.0, math.ceil(step))
    return [index * step for index in range(max(1, math.ceil(largest / step - 1e-9)) + 1)]


def _bars(
    points: Sequence[Point], bucket_s: int, now_ms: int, *, role: str, texts: list[str] | None, pattern: str = ""
) -> graph_objects.Bar:
    width = bucket_s * 1000
    marker: dict[str, object] = {
        "opacity": [UNFINISHED_OPACITY if point.start_ms + width > now_ms else 1.0 for point in points]
    }
    if pattern:  # colour is never the only sign
        marker["pattern"] = {"shape": pattern, "size": 5, "solidity": 0.25}
    return graph_objects.Bar(
        x=[point.start_ms for point in points],
        y=[point.value for point in points],
        offset=width * 0.06,
        width=width * 0.88,
        marker=marker,
        meta=role,
        customdata=None
        if texts is None
        else [[text, point.start_ms] for text, point in zip(texts, points, strict=True)],
        hovertemplate=None if texts is None else "%{customdata[0]}<br>%{customdata[1]|%-d %b %H:%M}<extra></extra>",
        hoverinfo="skip" if texts is None else None,
    )


def _add_line(
    figure: graph_objects.Figure, points: Sequence[Point], bucket_s: int, now_ms: int, *, role: str, name: str
) -> None:
    width = bucket_s * 1000
    finished = sum(point.start_ms + width <= now_ms for point in points)
    # The unfinished rest starts at the last finished point, so that the line does not break.
    for part, dash in ((points[:finished], "solid"), (points[max(finished - 1, 0) :], "dot")):
        if not part or (dash == "dot" and finished == len(points)):
            continue
        figure.add_trace(
            graph_objects.Scatter(
                x=[point.start_ms + width // 2 for point in part],
                y=[None if math.isnan(point.value) else point.value for point in part],
                mode="lines+markers",
                cliponaxis=False,  # the last point may lie on the edge
                line={"width": 1.75, "dash": dash},
                marker={"size": 4, "symbol": "circle" if dash == "solid" else "circle-open"},
                meta=role,
                customdata=[[milliseconds(point.value), point.start_ms] for point in part],
                hovertemplate=f"{name} %{{customdata[0]}}<br>%{{customdata[1]|%-d %b %H:%M}}<extra></extra>",
            )
        )


def _figure(
    points: Sequence[Point], bucket_s: int, largest: float, words: Words, *, whole: bool = False
) -> graph_objects.Figure:
    steps = axis_steps(largest, whole=whole)
    start = points[0].start_ms if points else 0
    end = points[-1].start_ms + bucket_s * 1000 if points else 1
    return graph_objects.Figure(
        layout={
            "template": NO_TEMPLATE,
            "xaxis": {
                "type": "date",
                "range": [start, end],
                "fixedrange": True,
                "nticks": 6,
                "showgrid": False,
                # The date stands below the time, and only where it changes: on one line both would be turned to fit.
                "tickformat": "%H:%M\n%-d %b" if end - start <= DAYS_WITH_TIMES * 86_400_000 else "%-d %b",
            },
            "yaxis": {
                "range": [0, max(steps[-1], largest) * 1.04 or 1],
                "fixedrange": True,
                "tickvals": steps,
                "ticktext": ["0", *(words(step) for step in steps[1:])],
                "zeroline": False,
            },
            "showlegend": False,
            "hovermode": "x",
            "dragmode": False,
            "bargap": 0,
            "margin": {"l": 8, "r": 8, "t": 8, "b": 8},
        }
    )


def _json(figure: graph_objects.Figure) -> Markup:
    """Safe within a `<script type="application/json">`: nothing in it can close the element."""
    text: str = figure.to_json(validate=False) or ""
    return Markup(text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e"))  # noqa: S704 - escaped here
