"""The masking rules that the environment holds. What cannot be read masks more rather than less.

Imported only where one of the variables is set.
"""

from __future__ import annotations

import json
import re
import warnings
from typing import TYPE_CHECKING, Any

from clew.masking_rules import EVERY, PLACES, MaskingRules

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from clew.masking_rules import Path, Patterns, Step

_PLACE_KEYS = "CLEW_MASK_KEYS_"
_ALIASES = {"return": "return_value", "env": "environment", "header": "headers", "local": "locals"}
# Names, `[*]`, `[2]` and `["a name with a dot"]`.
_STEP = re.compile(r"""\.?([^.\[\]"'\s][^.\[\]"']*)|\[(\*|\d{1,9})\]|\["([^"]+)"\]|\['([^']+)'\]""")
_ESCAPE = re.compile(r"\\[A-Za-z]")
_WORD = re.compile(r"\w{3,}")
_MAX_PASSES = 4
_OPEN = {"(": ")", "[": "]", "{": "}"}


def read_rules(given: Mapping[str, str], reject: Callable[[str, str, str], None]) -> MaskingRules:
    """The rules that the variables in `given` make, with one `reject(name, why, instead)` for each that has a fault.

    A pattern that masks is taken by its words where it cannot be read; one that shows is left out.
    """

    def masking(name: str) -> Patterns:
        return _patterns(name, given.get(name, ""), reject, strict=True)

    def showing(name: str) -> Patterns:
        return _patterns(name, given.get(name, ""), reject, strict=False)

    by_place = {name: masking(name) for name in given if name.startswith(_PLACE_KEYS)}
    paths, names = _paths(given.get("CLEW_MASK_PATHS", ""), reject)
    places = _places(given.get("CLEW_MASK_PLACES", ""), reject)
    return MaskingRules(
        keys=(*masking("CLEW_MASK_KEYS"), *(_literal([name], whole=True) for name in names)),
        keep_keys=showing("CLEW_KEEP_KEYS"),
        place_keys={name.removeprefix(_PLACE_KEYS).lower(): found for name, found in by_place.items() if found},
        values=masking("CLEW_MASK_VALUES"),
        paths={place: tuple(found) for place, found in paths.items() if () not in found},
        places=places | {place for place, found in paths.items() if () in found},
        allow_keys=showing("CLEW_ALLOW_KEYS") if "CLEW_ALLOW_KEYS" in given else None,
    )


def parts(text: str) -> list[str]:
    """The parts of a list: JSON's, or separated by commas that stand in no bracket, as those of `\\d{3,4}` do."""
    if text.lstrip().startswith("["):
        try:
            listed: Any = json.loads(text)
        except ValueError:
            listed = None
        if isinstance(listed, list) and all(isinstance(part, str) for part in listed):
            return [part for part in listed if part]
    plain: set[int] = set()
    for _ in range(_MAX_PASSES):
        found, unclosed = _split(text, plain)
        if not unclosed:
            break
        plain.update(unclosed)  # its pattern is bad; those behind its comma need not be
    else:
        found = text.split(",")
    return [part.strip() for part in found if part.strip()]


def _split(text: str, plain: set[int]) -> tuple[list[str], list[int]]:
    """The parts, and where brackets open that nothing closes. Those at `plain` are characters like any other."""
    found = [""]
    opened: list[int] = []
    escaped = False
    for position, char in enumerate(text):
        if char == "," and not opened and not escaped:
            found.append("")
            continue
        found[-1] += char
        if escaped or char == "\\":
            escaped = not escaped
        elif opened and char == _OPEN[text[opened[-1]]]:
            opened.pop()
        elif char in _OPEN and position not in plain and not (opened and text[opened[-1]] == "["):
            opened.append(position)  # within [...] brackets are plain characters
    return found, opened


def _patterns(name: str, text: str, reject: Callable[[str, str, str], None], *, strict: bool) -> Patterns:
    patterns: list[re.Pattern[str]] = []
    faults = []
    for part in parts(text):
        pattern = _compiled(part)
        if isinstance(pattern, re.Pattern):
            patterns.append(pattern)
            continue
        faults.append(pattern)
        words = _WORD.findall(_ESCAPE.sub(" ", part)) if strict else []
        if words:
            patterns.append(_literal(words))
    if faults:
        reject(
            name,
            f"holds a bad regular expression ({faults[0]})",
            "taking its words as they are" if strict else "leaving it out",
        )
    return tuple(patterns)


def _compiled(part: str) -> re.Pattern[str] | str:
    """The pattern, or what is wrong with it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # re warns of what it may read otherwise one day
            return re.compile(part, re.IGNORECASE)
    except (re.error, OverflowError, RecursionError, ValueError) as error:
        return str(error)


def _literal(words: list[str], *, whole: bool = False) -> re.Pattern[str]:
    text = "|".join(map(re.escape, words))
    return re.compile(rf"^(?:{text})$" if whole else text, re.IGNORECASE)


def _paths(text: str, reject: Callable[[str, str, str], None]) -> tuple[dict[str, list[Path]], list[str]]:
    """Paths by their place. Of those that cannot be read the last names, which are masked wherever they are."""
    paths: dict[str, list[Path]] = {}
    names: list[str] = []
    faults = []
    for part in parts(text):
        steps = _steps(part)
        place = _place(str(steps[0])) if steps else None
        if steps and place is not None and place != "headers":
            paths.setdefault(place, []).append(steps[1:])
            continue
        faults.append(part)
        words = [step for step in steps or re.findall(r"\w+", part) if isinstance(step, str) and step != EVERY]
        names += words[-1:]
    if faults:
        reject(
            "CLEW_MASK_PATHS",
            f"holds {faults[0]!r}, which is no path that starts with one of {', '.join(PLACES[:-1])}",
            "masking its last name everywhere",
        )
    return paths, names


def _steps(path: str) -> Path | None:
    steps: list[Step] = []
    position = 0
    while position < len(path):
        found = _STEP.match(path, position)
        if found is None or (position == 0 and not found[1]):
            return None
        name, index = found[1], found[2]
        if name is not None:
            steps.append(name.strip())
        elif index is not None:
            steps.append(EVERY if index == EVERY else int(index))
        else:
            steps.append(found[3] or found[4])
        position = found.end()
    return tuple(steps)


def _place(name: str) -> str | None:
    name = name.strip().lower().replace("-", "_")
    name = _ALIASES.get(name, name)
    return name if name in PLACES else None


def _places(text: str, reject: Callable[[str, str, str], None]) -> frozenset[str]:
    names = [part.strip() for part in text.split(",") if part.strip()]
    if any(name.lower() == "all" for name in names):
        return frozenset(PLACES)
    found = [_place(name) for name in names]
    if None in found:
        reject("CLEW_MASK_PLACES", f"holds what is none of all, {', '.join(PLACES)}", "leaving that out")
    return frozenset(place for place in found if place is not None)
