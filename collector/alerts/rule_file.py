"""Rules and mute windows as a YAML file: reading it strictly, comparing it with what there is, and writing it.

Of YAML only what a file of settings needs is read: mappings, lists and plain values, without anchors, aliases and
tags. `true` and `false` alone are truth values, and `22:00` is text: the sixty-based numbers of YAML 1.1 are not known.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from collector.alerts.fields import Path, RuleFault
from collector.alerts.model import MuteWindow, Rule
from collector.alerts.mute_text import read_mute, write_mute
from collector.alerts.rule_text import read_rule, write_rule
from collector.alerts.text import one_line
from collector.alerts.written import WrittenFloat, WrittenInt

VERSION = 1
LARGEST = 2_000_000  # characters
LARGEST_OF_PAGE = 100_000  # read in 0.6 s of CPU, for which other requests wait
LONGEST_SHOWN = 300  # of what cannot be read: its id, and why
DEEPEST = 12
MOST_OPEN = 100  # brackets; far more than DEEPEST, as text may hold some
_INTEGER = re.compile(r"[-+]?(?:0|[1-9]\d{0,17})")
_FLOAT = re.compile(r"[-+]?(?:\d+\.\d*|\.\d+|\d+)(?:[eE][-+]?\d+)?")
_BRACKET = re.compile(r"[\[\]{}]")
_WORDS: Mapping[str, object] = {"true": True, "false": False, "null": None, "~": None, "": None}


class FileFault(ValueError):
    """What is wrong with the file, with its line: `line 7: “abvoe” is not known here`."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(f"line {line}: {message}")
        self.line = line


@dataclass(frozen=True, slots=True)
class RuleFile:
    rules: tuple[Rule, ...]
    mutes: tuple[MuteWindow, ...] = ()


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Rules and mute windows that are there and cannot be read: by id, why."""

    rules: Mapping[str, str] = field(default_factory=dict)
    mutes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Difference:
    """What applying a file would change; `removed` are ids. `text` shows it line by line."""

    changed: tuple[Rule, ...]
    removed: tuple[str, ...]
    changed_mutes: tuple[MuteWindow, ...]
    removed_mutes: tuple[str, ...]
    text: str

    def __bool__(self) -> bool:
        return bool(self.changed or self.removed or self.changed_mutes or self.removed_mutes)


def read_file(text: str, *, largest: int = LARGEST) -> RuleFile:
    """Raises FileFault for the first thing that is wrong, such as more characters than `largest`."""
    lines: dict[Path, int] = {}
    try:
        value = _plain(_compose(text, largest), (), lines)
        return _read(value)
    except RuleFault as fault:
        path = fault.path
        while path and path not in lines:
            path = path[:-1]
        where = ".".join(str(part) for part in fault.path)
        raise FileFault(lines.get(path, 1), f"{where}: {fault.message}" if where else fault.message) from None


def write_file(rules: Mapping[str, Rule], mutes: Mapping[str, MuteWindow]) -> str:
    """The file that says all this, by id."""
    found: dict[str, Any] = {"version": VERSION, "rules": {id: write_rule(rules[id]) for id in sorted(rules)}}
    if mutes:
        found["mutes"] = {id: write_mute(mutes[id]) for id in sorted(mutes)}
    text: str = yaml.dump(found, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)
    return text


def compare(
    file: RuleFile,
    rules: Mapping[str, Rule],
    mutes: Mapping[str, MuteWindow],
    *,
    removable: frozenset[str],
    unreadable: Unreadable = Unreadable(),
) -> Difference:
    """What there is against what the file says. Of rules that the file does not name only `removable` ones go, as do
    all mute windows if the file names any. What is `unreadable` is shown as a comment."""
    wanted = {rule.id: rule for rule in file.rules}
    there = {*rules, *unreadable.rules}
    removed = sorted(id for id in there if id not in wanted and id in removable)
    kept = {id: rule for id, rule in rules.items() if id not in removed}
    wanted_mutes = {mute.id: mute for mute in file.mutes} if file.mutes else dict(mutes)
    removed_mutes = sorted({*mutes, *unreadable.mutes} - wanted_mutes.keys()) if file.mutes else []
    before = write_file(rules, mutes) + _comments(unreadable)
    left = Unreadable(
        {id: why for id, why in unreadable.rules.items() if id not in wanted and id not in removed},
        {id: why for id, why in unreadable.mutes.items() if id not in wanted_mutes and id not in removed_mutes},
    )
    after = write_file({**kept, **wanted}, wanted_mutes) + _comments(left)
    shown = difflib.unified_diff(before.splitlines(), after.splitlines(), "now", "file", lineterm="", n=4)
    return Difference(
        changed=tuple(rule for rule in file.rules if rules.get(rule.id) != rule),
        removed=tuple(removed),
        changed_mutes=tuple(mute for mute in wanted_mutes.values() if mutes.get(mute.id) != mute),
        removed_mutes=tuple(removed_mutes),
        text="\n".join(shown),
    )


def _comments(unreadable: Unreadable) -> str:
    return "".join(
        f"# The {what} {one_line(id, LONGEST_SHOWN)} cannot be read: {one_line(why, LONGEST_SHOWN)}\n"
        for what, some in (("rule", unreadable.rules), ("mute window", unreadable.mutes))
        for id, why in sorted(some.items())
    )


def _read(value: object) -> RuleFile:
    if not isinstance(value, dict):
        raise RuleFault((), "the file must be a mapping with version and rules")
    for name in value:
        if name not in ("version", "rules", "mutes"):
            raise RuleFault((name,), f"“{name}” is not known here: a file has version, rules and mutes")
    if value.get("version") != VERSION:
        raise RuleFault(("version",) if "version" in value else (), f"version must be {VERSION}")
    found: dict[str, list[Any]] = {}
    for name, read in (("rules", read_rule), ("mutes", read_mute)):
        part = value.get(name, {})
        part = {} if part is None else part
        if not isinstance(part, dict):
            raise RuleFault((name,), "must be a mapping of ids")
        found[name] = [read(id, one, (name, id)) for id, one in part.items()]
    return RuleFile(tuple(found["rules"]), tuple(found["mutes"]))


def _compose(text: str, largest: int) -> yaml.Node:
    if len(text) > largest:
        raise FileFault(1, f"the file has more than {largest} characters")
    _refuse_depth(text)
    try:
        # The loader that gives every scalar as text; what it means is decided below.
        depth = 0
        for event in yaml.parse(text, Loader=yaml.BaseLoader):
            _refuse(event)
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > DEEPEST + 1:
                raise FileFault(_line_of(event), "this is nested too deeply")
        node = yaml.compose(text, Loader=yaml.BaseLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise FileFault(mark.line + 1 if mark else 1, f"this is no YAML: {error.problem or error.context}") from None
    except yaml.YAMLError as error:
        raise FileFault(1, f"this is no YAML: {str(error).splitlines()[0]}") from None
    except RecursionError:
        raise FileFault(1, "this is nested too deeply") from None
    if node is None:
        raise FileFault(1, "the file is empty")
    return node


def _refuse_depth(text: str) -> None:
    """Before the scanner sees it, which takes 4 ms for each token within thousands of open brackets. Brackets in text
    and comments count as well; what hides behind those is refused as soon as it is read."""
    depth = 0
    for found in _BRACKET.finditer(text):
        depth = depth + 1 if found[0] in "[{" else max(depth - 1, 0)
        if depth > MOST_OPEN:
            raise FileFault(text.count("\n", 0, found.start()) + 1, "this is nested too deeply")


def _refuse(event: yaml.Event) -> None:
    line = _line_of(event)
    if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
        raise FileFault(line, "anchors and aliases are not known here")
    if getattr(event, "tag", None):
        raise FileFault(line, "tags are not known here")


def _line_of(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 1


def _plain(node: yaml.Node, path: Path, lines: dict[Path, int]) -> Any:
    """The node as plain values; `lines` gets the line of each."""
    line = node.start_mark.line + 1
    lines.setdefault(path, line)
    if len(path) > DEEPEST:
        raise FileFault(line, "this is nested too deeply")
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, path, lines)
    if isinstance(node, yaml.SequenceNode):
        return [_plain(one, (*path, index), lines) for index, one in enumerate(node.value)]
    return _scalar(node)


def _mapping(node: yaml.MappingNode, path: Path, lines: dict[Path, int]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode):
            raise FileFault(line, "a name must be plain text")
        name = str(key.value)
        if name in found:
            raise FileFault(line, f"“{name}” is there twice")
        lines[(*path, name)] = line
        found[name] = _plain(value, (*path, name), lines)
    return found


def _scalar(node: yaml.Node) -> object:
    text = str(node.value)
    if not isinstance(node, yaml.ScalarNode) or node.style is not None:  # quoted, or a block
        return text
    return _meaning(text)


def _meaning(text: str) -> object:
    """Of text without quotes. A number remembers how it was written, for whatever is to be text."""
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return WrittenInt(text)
    if _FLOAT.fullmatch(text):
        return WrittenFloat(text)
    return text


class _Dumper(yaml.SafeDumper):
    """Quotes what this module would not read as the same text."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> Any:  # noqa: ARG002  # lists indented
        return super().increase_indent(flow, False)

    def write_text(self, text: str) -> yaml.ScalarNode:
        plain = text in _WORDS or _INTEGER.fullmatch(text) or _FLOAT.fullmatch(text)
        return self.represent_scalar("tag:yaml.org,2002:str", text, style="'" if plain else None)

    def ignore_aliases(self, _data: Any) -> bool:
        return True


_Dumper.add_representer(str, _Dumper.write_text)
