"""Figures: what plotly is told to draw."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.store.queries.common import Point
from tests.webapp.samples import NOW_MS, points
from webapp import charts


def test_failures_are_the_striped_lower_part_of_the_bars() -> None:
    """Colour is not the only sign, and the two parts add up to the whole."""
    figure = json.loads(
        charts.stacked_bars(points([4, 8]), points([1, 0]), 120, NOW_MS, noun="invocations", part_noun="failed")
    )
    failed, rest = figure["data"]

    assert ([1, 0], [3, 8], "stack") == (failed["y"], rest["y"], figure["layout"]["barmode"])
    assert "/" == failed["marker"]["pattern"]["shape"]
    assert "4 invocations<br>1 failed (25\N{NO-BREAK SPACE}%)" == failed["customdata"][0][0]


def test_another_part_has_another_pattern() -> None:
    """Errors that were handled, above the failures; no bars of it where there are none."""
    figure = json.loads(
        charts.stacked_bars(
            points([4, 8]),
            points([1, 0]),
            120,
            NOW_MS,
            noun="invocations",
            part_noun="failed",
            others=points([2, 0]),
            other_noun="handled",
        )
    )
    failed, handled, rest = figure["data"]
    assert ([1, 0], [2, 0], [1, 8]) == (failed["y"], handled["y"], rest["y"])
    assert failed["marker"]["pattern"]["shape"] != handled["marker"]["pattern"]["shape"]
    assert failed["customdata"][0][0].endswith("<br>2 handled (50\N{NO-BREAK SPACE}%)")


def test_the_bucket_that_is_not_over_is_lighter() -> None:
    """A bar that is still growing does not look like a slump."""
    figure = json.loads(charts.bars(points([5, 5, 2]), 120, NOW_MS, role="cold", words=str))

    assert [1.0, 1.0, charts.UNFINISHED_OPACITY] == figure["data"][0]["marker"]["opacity"]


def test_a_line_is_dotted_where_its_bucket_is_not_over() -> None:
    """Average and p95 each have a solid line and a dotted end that starts where it stops."""
    figure = json.loads(charts.durations(points([1, 2, 3]), points([2, 4, 6]), 120, NOW_MS))

    assert ["solid", "dot", "solid", "dot"] == [trace["line"]["dash"] for trace in figure["data"]]
    assert figure["data"][0]["x"][-1] == figure["data"][1]["x"][0]


def test_buckets_without_invocations_are_gaps() -> None:
    """Nothing ran is not zero milliseconds."""
    figure = json.loads(charts.durations(points([1, math.nan, 3, 4]), points([1, math.nan, 3, 4]), 120, NOW_MS))

    assert [1.0, None, 3.0] == figure["data"][0]["y"]


def test_axes_say_their_unit_in_words() -> None:
    """A person reads "1.00 s", not 1000."""
    figure = json.loads(charts.durations(points([900, 2000]), points([900, 2000]), 120, NOW_MS))

    assert ["0", "1.00 s", "2.00 s"] == [text.replace("\xa0", " ") for text in figure["layout"]["yaxis"]["ticktext"]]


@pytest.mark.parametrize(("bucket_s", "times"), [(120, True), (2880, True), (20_160, False)])
def test_time_axes_name_days_and_times_as_long_as_both_tell_something(bucket_s: int, times: bool) -> None:
    """30 buckets: an hour and a day have times with the date below; a week has days."""
    start = NOW_MS - 30 * bucket_s * 1_000
    series = [Point(start + index * bucket_s * 1_000, 1.0) for index in range(30)]
    axis = json.loads(charts.bars(series, bucket_s, NOW_MS, role="cold", words=str))["layout"]["xaxis"]

    assert times == axis["tickformat"].startswith("%H:%M\n")
    assert axis["tickformat"].endswith("%-d %b")


def test_an_empty_chart_is_a_chart() -> None:
    """No buckets and no values still draw."""
    assert [] == json.loads(charts.bars((), 60, NOW_MS, role="main", words=str))["data"][0].get("x", [])
    assert json.loads(charts.durations(points([math.nan]), points([math.nan]), 120, NOW_MS))["layout"]


@given(st.floats(min_value=1e-9, max_value=1e15), st.booleans())
def test_axis_steps_are_few_and_reach_the_largest_value(largest: float, whole: bool) -> None:
    """Whatever the values, the axis starts at zero, ends above them and is not crowded."""
    steps = charts.axis_steps(largest, whole=whole)

    assert 0 == steps[0]
    assert steps[-1] >= largest * 0.999
    assert 2 <= len(steps) <= 5


def test_counts_have_no_broken_steps() -> None:
    """Half an invocation does not exist."""
    assert [0, 1] == charts.axis_steps(1, whole=True)


def test_a_figure_cannot_close_the_element_it_is_in() -> None:
    """Nothing in the data ends the script element."""
    assert "<" not in charts.bars((Point(0, 1),), 60, NOW_MS, role="main", words=lambda _: "</script><b>")
