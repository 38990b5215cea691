"""The YAML file of rules: what is read, what is refused and where, and that nothing is lost on the way."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings

from collector.alerts.conditions import KINDS, completed
from collector.alerts.model import Burn, Condition, ConditionKind, Grouping, MuteWindow, Rule, Scope, Severity
from collector.alerts.rule_file import LARGEST_OF_PAGE, FileFault, compare, read_file, write_file
from collector.alerts.rule_store import DEFAULT_RULES
from tests.collector.alerts.strategies import rules

FILE = """\
version: 1
rules:
  checkout-errors:
    name: Checkout fails
    description: |
      Look at the payment provider first.
    condition: error-rate
    above: 5%
    window: 10m
    minimum: 20
    scope:
      functions: [checkout-*, pay]
      regions: eu-west-1
      execution-tags: {tenant: [acme, other], plan: 7}
    severity: critical
    ignore-4xx: true
    repeat: 4h
    resolve-after: 15m
    channels: [on-call]
  slow:
    condition: duration
    percentile: p99
    above: 2.5s
  budget:
    condition: burn-rate
    objective: 99.9%
    burns: [{long: 1h, short: 5m, rate: 14.4}]
    group: together
  silent: {condition: invocations, below: 1, window: 1h, repeat: every event, enabled: false, channels: []}
mutes:
  nights: {start: 22:00, length: 8h, weekdays: [fri, sat], timezone: Europe/Berlin}
  release: {from: 2026-11-21T20:00+01:00, until: 2026-11-21T21:00Z, rules: [slow]}
"""


def test_reads_what_people_write() -> None:
    """Durations, shares, lists and single values; a time of the day is no number."""
    file = read_file(FILE)
    errors, slow, budget, silent = file.rules
    assert errors == Rule(
        id="checkout-errors",
        name="Checkout fails",
        description="Look at the payment provider first.\n",
        condition=Condition(ConditionKind.ERROR_RATE, above=0.05),
        scope=Scope(
            ("checkout-*", "pay"), ("eu-west-1",), (), (("plan", "7"), ("tenant", "acme"), ("tenant", "other"))
        ),
        window_s=600,
        minimum=20,
        severity=Severity.CRITICAL,
        ignore_4xx=True,
        repeat_s=4 * 3600,
        resolve_after_s=900,
        channels=("on-call",),
    )
    assert (slow.name, slow.condition.above, slow.condition.percentile) == ("slow", 2500, 0.99)
    assert budget.condition.burns == (Burn(3600, 300, 14.4),)
    assert budget.grouping is Grouping.TOGETHER
    assert (silent.condition.below, silent.repeat_s, silent.enabled, silent.channels) == (1, 0, False, ())
    nights, release = file.mutes
    assert nights == MuteWindow(
        "nights", "nights", weekdays=(4, 5), start="22:00", minutes=480, timezone="Europe/Berlin"
    )
    assert release.end_ms is not None
    assert release.start_ms is not None
    assert release.end_ms - release.start_ms == 2 * 3_600_000


def test_what_is_written_is_read_as_the_same() -> None:
    """Of all rules that there are from the beginning, and of the file above."""
    file = read_file(FILE)
    for some in (file.rules, tuple(map(completed, DEFAULT_RULES))):
        text = write_file({rule.id: rule for rule in some}, {mute.id: mute for mute in file.mutes})
        again = read_file(text)
        assert {rule.id: rule for rule in again.rules} == {rule.id: rule for rule in some}
        assert again.mutes == file.mutes


@given(rules())
@settings(max_examples=300, deadline=None)
def test_any_rule_survives_the_file(rule: Rule) -> None:
    """Whatever its condition, scope and window."""
    assert read_file(write_file({rule.id: rule}, {})).rules == (rule,)


@pytest.mark.parametrize("kind", list(KINDS))
def test_every_kind_has_a_shortest_form(kind: ConditionKind) -> None:
    """A kind alone makes a rule, but for invocations, which must say whether many or few are the trouble."""
    text = f"version: 1\nrules:\n  one: {{condition: {kind}}}"
    if kind is ConditionKind.INVOCATIONS:
        with pytest.raises(FileFault, match=r"line 3: .*above or below"):
            read_file(text)
        text = text.replace("}", ", above: 5}")
    (rule,) = read_file(text).rules
    assert completed(rule) == rule
    assert rule.condition.above is not None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "line 1: the file is empty"),
        ("- a", "line 1: the file must be a mapping"),
        ("version: 2", "line 1: version: version must be 1"),
        ("rules: {}", "line 1: version must be 1"),
        ("version: 1\nrule: {}", "line 2: rule: “rule” is not known here"),
        ("version: 1\nrules: [1]", "line 2: rules: must be a mapping of ids"),
        ("version: 1\nrules:\n  a: 1", "line 3: rules.a: must be a mapping of names to values"),
        ("version: 1\nrules:\n  A b: {condition: errors}", "line 3: .*lower-case"),
        ("version: 1\nrules:\n  a:\n    name: x", "line 3: rules.a: condition is missing"),
        ("version: 1\nrules:\n  a:\n    condition: erors", "line 4: rules.a.condition: “erors” is none of"),
        (
            "version: 1\nrules:\n  a:\n    condition: errors\n    abvoe: 3",
            "line 5: rules.a.abvoe: “abvoe” is not known",
        ),
        ("version: 1\nrules:\n  a:\n    condition: errors\n    above: x", "line 5: rules.a.above: not a number: “x”"),
        ("version: 1\nrules:\n  a:\n    condition: errors\n    above: .inf", "line 5: .*not a number"),
        ("version: 1\nrules:\n  a:\n    condition: errors\n    percentile: p95", "line 5: .*means nothing for errors"),
        ("version: 1\nrules:\n  a:\n    condition: errors\n    window: 90s", "line 5: .*whole minutes"),
        ("version: 1\nrules:\n  a:\n    condition: errors\n    window: 8d", "line 5: .*from 1m to 7d"),
        ("version: 1\nrules:\n  a:\n    condition: errors\n    group: issue", "line 5: .*by function, together"),
        (
            "version: 1\nrules:\n  a:\n    condition: errors\n    scope:\n      function: b",
            "line 6: .*“function” is not",
        ),
        ("version: 1\nrules:\n  a:\n    condition: errors\n    condition: cost", "line 5: “condition” is there twice"),
        ("version: 1\nrules:\n  a: {condition: errors}\n  a: {condition: cost}", "line 4: “a” is there twice"),
        ("version: 1\nrules:\n  a: &x {condition: errors}\n  b: *x", "line 3: anchors"),
        ("version: 1\nrules: !!python/object:os.system {}", "line 2: tags are not known"),
        ("version: 1\nrules:\n  a: {condition: memory, scope: {execution-tags: {a: b}}}", "line 3: .*execution tags"),
        ("version: 1\nrules:\n  a: {condition: age, minimum: 3}", "line 3: .*means nothing for age"),
        ("version: 1\nrules:\n  a: {condition: errors, enabled: yes}", "line 3: .*true or false"),
        ("version: 1\nrules:\n  a: {condition: errors, repeat: 1m}", "line 3: .*from 5m to 7d"),
        ("version: 1\nrules:\n  a: {condition: errors", "line 3: this is no YAML"),
        ("version: 1\nrules: " + "[" * 2000, "nested too deeply|this is no YAML"),
        ("version: 1\nmutes:\n  a: {start: 25:00, length: 1h}", "line 3: .*22:00"),
        ("version: 1\nmutes:\n  a: {start: 22:00, length: 1h, timezone: ../../etc/passwd}", "line 3: .*no timezone"),
        ("version: 1\nmutes:\n  a: {from: 2026-01-01}", "line 3: .*from and until"),
        ('version: 1\nrules:\n  a: {condition: errors, name: "\\0"}', "line 3: .*must be text"),
    ],
)
def test_what_is_wrong_is_refused_with_its_line(text: str, expected: str) -> None:
    """The first mistake, where it is."""
    with pytest.raises(FileFault, match=expected):
        read_file(text)


def test_a_difference_is_shown_and_nothing_else_changes() -> None:
    """A changed rule, a new one, one that an earlier file brought and this one does not name; others stay."""
    file = read_file(FILE)
    known = {rule.id: rule for rule in (*file.rules, *DEFAULT_RULES)}
    mutes = {mute.id: mute for mute in file.mutes}
    assert not compare(file, known, mutes, removable=frozenset())

    edited = read_file(FILE.replace("above: 5%", "above: 7%").replace("  slow:", "  slower:"))
    found = compare(edited, known, mutes, removable=frozenset({"slow", "budget"}))
    assert [rule.id for rule in found.changed] == ["checkout-errors", "slower"]
    assert found.removed == ("slow",)
    assert "-    above: 5%" in found.text
    assert "+    above: 7%" in found.text
    assert "new-issue" not in found.text


def test_the_example_of_the_documentation_is_one() -> None:
    """What docs/alerts.md shows can be applied, and its list of conditions is whole."""
    page = Path(__file__).parents[3].joinpath("docs", "alerts.md").read_text()
    example = page.partition("```yaml\n")[2].partition("```")[0]
    assert [rule.id for rule in read_file(example).rules] == ["checkout-errors", "silent-nightly", "availability"]
    assert len(read_file(example).mutes) == 2
    table = page.partition("## Conditions")[2].partition("## The file")[0]
    for kind, about in KINDS.items():
        (row,) = [line for line in table.splitlines() if line.startswith(f"| `{kind}` |")]
        assert all(f"`{option}`" in row for option in about.takes)
        assert all(str(grouping) in row for grouping in about.groupings)


@pytest.mark.parametrize("text", ["012345678901", "12e4567", "1e5", "1.50", "+7", "true", "null", "~", "7", "22:00"])
def test_text_that_looks_like_something_else(text: str) -> None:
    """An account that begins with 0 stays as it is, written by hand or by us."""
    by_hand = (
        f"version: 1\nrules:\n  a: {{condition: errors, scope: {{accounts: [{text}], execution-tags: {{k: {text}}}}}}}"
    )
    made = Rule(
        id="a",
        name=text,
        condition=Condition(ConditionKind.ERRORS, above=0),
        scope=Scope(accounts=(text,), execution_tags=(("k", text),)),
    )
    assert read_file(write_file({"a": made}, {})).rules == (made,)
    if text not in ("true", "null", "~"):
        (read,) = read_file(by_hand).rules
        assert read.scope == made.scope
        assert read_file(write_file({"a": read}, {})).rules == (read,)


def test_numbers_read_are_plain_ones() -> None:
    """They can be written again, wherever they were."""
    text = "version: 1\nrules:\n  a: {condition: errors, minimum: 0, window: 600, above: 5}"
    file = read_file(text + "\n  c: {condition: error-rate, minimum: 20, window: 600, above: 0.05}")
    known = {rule.id: rule for rule in file.rules}
    assert read_file(write_file(known, {})).rules == file.rules
    assert type(known["c"].minimum) is type(known["c"].window_s) is int


@pytest.mark.parametrize("text", ["[" * 5_000, "[{a: " * 3_000, '["]",' * 15_000, "{a: " * 20])
def test_depth_is_refused_before_it_costs(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The scanner sees no more than a line of it, also where text hides how deep it is."""
    tokens = 0
    real = yaml.BaseLoader.fetch_more_tokens

    def fetch(loader: yaml.BaseLoader) -> None:
        nonlocal tokens
        tokens += 1
        real(loader)

    monkeypatch.setattr(yaml.BaseLoader, "fetch_more_tokens", fetch)
    with pytest.raises(FileFault, match="line 2: this is nested too deeply"):
        read_file(f"version: 1\nrules: {text}")
    assert tokens < 2_000


def test_a_page_reads_smaller_files() -> None:
    """What a command may read would keep a page's other requests waiting."""
    with pytest.raises(FileFault, match="more than 100000 characters"):
        read_file("#" * (LARGEST_OF_PAGE + 1), largest=LARGEST_OF_PAGE)


_ONE = "version: 1\nrules:\n  a: "


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        *(
            (f"{_ONE}{{condition: burn-rate, burns: [{{long: 1h, short: 5m, rate: {rate}}}]}}", "line 3: ")
            for rate in ("1e400", "1e999x", "-1", "0.001", "10001")
        ),
        *((f"{_ONE}{{condition: error-rate, above: {above}}}", "finite") for above in ("1e308", "1e400", "1e308%")),
        (f"{_ONE}{{condition: duration, above: 1e300m}}", "finite"),
        *((f"{_ONE}{{condition: errors, window: {window}}}", "line 3: ") for window in ("1e300m", "1e400d", "9" * 18)),
        *(
            (f"version: 1\nmutes:\n  a: {{from: 2026-01-01, until: {until}}}", "years 2000 to 2200|no time")
            for until in ("9999-12-31T23:59:59-14:00", "0001-01-01T00:00+14:00", "2200-01-01", "1999-12-31", "1e400")
        ),
    ],
)
def test_values_out_of_bounds_are_refused(text: str, expected: str) -> None:
    """None that could not be written, shown or reckoned with."""
    with pytest.raises(FileFault, match=expected):
        read_file(text)
