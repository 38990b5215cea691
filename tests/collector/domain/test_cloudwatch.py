"""Which request a line belongs to, told from the lines around it."""

from __future__ import annotations

import pytest

from collector.domain.cloudwatch import places
from collector.domain.facts import PieceKind
from collector.domain.log_lines import read_line
from tests.collector.domain.cloudwatch import PYTHON_ERROR, end, facts, message, report, request, start

A, B = request(1), request(2)
INIT = "INIT_START Runtime Version: python:3.13.v12\tRuntime Version ARN: arn:x\n"


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([start(A), "x", end(A), report(A), start(B), "y"], [A, A, A, A, B, B]),
        (["x", end(A), report(A)], [A, A, A]),  # the lines begin in the midst of it
        (["x", start(A)], ["", A]),  # of one that is over: nobody knows which
        ([INIT, "x", start(A)], [A, A, A]),  # of the environment's start
        ([report(A), "x", start(B)], [A, A, B]),  # a thread that goes on
        ([report(A), INIT, "x", start(B)], [A, B, B, B]),
        (["x", f"[INFO]\t2026-05-28T20:26:43.010Z\t{A}\thello\n", "y"], [A, A, A]),
        (["x", "y"], ["", ""]),
    ],
)
def test_the_request_of_each_line(lines: list[str], expected: list[str]) -> None:
    assert [place.request_id for place in places([read_line(line) for line in lines])] == expected


def test_lines_of_the_environments_start_are_marked() -> None:
    found = places([read_line(line) for line in (INIT, "x", start(A), "y")])

    assert [place.init for place in found] == [True, True, False, False]


def test_an_error_counts_where_it_ended_a_request() -> None:
    """Not one of INIT, which Lambda tries again within the request, and not one of a thread that outlived it."""
    during = [(0, start(A)), (1, PYTHON_ERROR), (2, report(A))]
    assert [piece.kind for piece in facts(message(*during)).pieces] == [PieceKind.ERROR, PieceKind.REPORT]
    for lines in ([INIT, PYTHON_ERROR, start(A)], [start(A), report(A), PYTHON_ERROR, start(B)]):
        assert PieceKind.ERROR not in {piece.kind for piece in facts(message(*((0, line) for line in lines))).pieces}
