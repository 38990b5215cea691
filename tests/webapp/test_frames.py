from __future__ import annotations

import json

import pytest

from webapp.transaction.frames import read_frames


def test_the_innermost_frame_comes_first() -> None:
    found = read_frames(
        json.dumps(
            [
                {"file": "/var/task/a.py", "line": 1, "function": "f", "locals": {"x": "1"}, "exception": "KeyError"},
                {"file": "/opt/python/lib.py", "line": 2, "function": "g", "locals": {}},
            ]
        )
    )
    assert [(item.frame.file, item.own, item.exception) for item in found] == [
        ("/opt/python/lib.py", False, ""),
        ("/var/task/a.py", True, "KeyError"),
    ]
    assert [(variable.name, variable.value) for variable in found[1].variables] == [("x", "1")]


@pytest.mark.parametrize("masked", ["****", "'****'", '"****"'])
def test_masked_values_are_known(masked: str) -> None:
    (frame,) = read_frames(json.dumps([{"file": "a", "line": 1, "function": "f", "locals": {"token": masked}}]))
    assert frame.variables[0].masked


@pytest.mark.parametrize(
    "hostile",
    ["", "{", "{}", "7", "[1, null, []]", "[" * 50_000, "x" * 10_000_000, '[{"line": true, "locals": []}]'],
    ids=range(8),
)
def test_what_is_none_gives_nothing_to_show(hostile: str) -> None:
    assert all(not item.variables for item in read_frames(hostile))


def test_frames_and_variables_are_bounded() -> None:
    many = [{"file": "a", "line": 10**30, "locals": {str(n): n for n in range(300)}} for _ in range(200)]
    text = json.dumps(many[:30])
    assert (len(read_frames(text)), len(read_frames(text)[0].variables)) == (30, 100)
    assert read_frames(text)[0].frame.line == 0
