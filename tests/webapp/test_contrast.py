"""Text can be read on its ground, in both themes (WCAG 2.2 AA: 4.5 to 1)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TOKENS = (Path(__file__).parents[2] / "webapp" / "static" / "css" / "tokens.css").read_text()
LIGHT = TOKENS.partition(":root {")[2].partition("}")[0]
DARK = TOKENS.partition(':root[data-theme="dark"] {')[2].partition("}")[0]
SYSTEM_DARK = TOKENS.partition(':root:not([data-theme="light"]) {')[2].partition("}")[0]
GROUNDS = ("ground", "surface", "surface-2", "hover", "selected")
PAIRS = [
    *((text, ground) for text in ("text", "text-quiet") for ground in GROUNDS),
    *(
        (text, ground)
        for text in ("accent", "error", "ok", "timeout", "cold", "text-faint")
        for ground in ("ground", "surface")
    ),
    ("error", "error-soft"),
    ("timeout", "timeout-soft"),
    ("memory", "memory-soft"),
    ("note", "note-soft"),
    ("accent", "accent-soft"),
    ("text-quiet", "accent-soft"),
    ("text-quiet", "note-soft"),
    ("text", "note-soft"),
    ("on-accent", "accent"),
    ("text", "error-soft"),
    ("accent", "error-soft"),
    ("accent", "timeout-soft"),
    ("accent", "accent-soft"),
    ("tone-data", "surface-2"),
    ("tone-storage", "surface-2"),
    ("tone-message", "surface-2"),
]


def colours(block: str) -> dict[str, str]:
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", block))


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize(("text", "ground"), PAIRS)
def test_text_stands_out_from_its_ground(theme: str, text: str, ground: str) -> None:
    """Every pair that the stylesheets put together."""
    values = colours(theme)
    low, high = sorted((luminance(values[text]), luminance(values[ground])))

    assert (high + 0.05) / (low + 0.05) >= 4.5


def test_the_systems_dark_is_the_chosen_dark() -> None:
    """The two lists of colours stay the same."""
    assert colours(DARK) == colours(SYSTEM_DARK)
    assert colours(DARK).keys() == colours(LIGHT).keys()
