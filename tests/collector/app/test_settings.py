"""Settings: their names, defaults, checks, and their page."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from collector.app.errors import InvalidSetting
from collector.app.settings import Settings, default_directory, read_settings, variable

PAGE = Path(__file__).parents[3] / "docs" / "settings.md"


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(variable(name), raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))


def test_defaults(tmp_path: Path) -> None:
    """Without any variable everything has a value, and the database is in the user's data directory."""
    settings = read_settings()

    assert ("127.0.0.1", 4318, None) == (settings.host, settings.port, settings.prices_file)
    assert f"sqlite:///{tmp_path}/clew/clew.db" == settings.database_url


def test_the_environment_sets_and_options_win(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable sets its field; what the command line says is stronger."""
    monkeypatch.setenv("CLEW_PORT", "5000")
    monkeypatch.setenv("CLEW_LOG_LEVEL", "debug")

    assert (5000, "debug") == (read_settings().port, read_settings().log_level)
    assert 6000 == read_settings(port="6000").port


def test_an_empty_variable_is_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """`CLEW_PORT=` means the default, as container definitions have it."""
    monkeypatch.setenv("CLEW_PORT", "")

    assert 4318 == read_settings().port


def test_a_bad_value_is_named_and_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names the variable, and not the value, which may be a secret in the wrong place."""
    monkeypatch.setenv("CLEW_PORT", "geheim")
    with pytest.raises(InvalidSetting, match=r"^CLEW_PORT cannot be used: .*\.$") as error:
        read_settings()

    assert "geheim" not in str(error.value)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"retention_exports_days": 31},
            r"RETENTION_EXPORTS_DAYS \(31\) must not exceed CLEW_RETENTION_ROWS_DAYS \(30\)",
        ),
        ({"retention_rows_days": 0}, r"ROWS_DAYS \(0\) must not exceed CLEW_RETENTION_MINUTES_DAYS \(60\)"),
        ({"retention_errors_days": 500}, r"ERRORS_DAYS \(500\) must not exceed CLEW_RETENTION_HOURS_DAYS \(400\)"),
    ],
)
def test_what_is_larger_is_not_kept_longer(settings: dict[str, int], message: str) -> None:
    """Sums outlive the rows they were made from, and these the payloads."""
    with pytest.raises(InvalidSetting, match=message):
        read_settings(**settings)


def test_for_ever() -> None:
    """0 keeps a kind for ever; what is smaller then has to be kept for ever too."""
    periods = read_settings(retention_minutes_days=0, retention_hours_days=0, retention_errors_days=1000).periods()

    assert (14, 30, None, None, 1000) == (
        periods.exports,
        periods.rows,
        periods.minutes,
        periods.hours,
        periods.errors,
    )


def test_two_settings_that_contradict_each_other() -> None:
    """A body that could never be taken is told with both numbers."""
    with pytest.raises(InvalidSetting, match=r"MAX_BODY_BYTES \(2000\) must not exceed CLEW_MAX_QUEUE_BYTES \(1500\)"):
        read_settings(max_body_bytes=2000, max_queue_bytes=1500)


@pytest.mark.parametrize("value", ["", "relative/path"])
def test_the_data_directory_without_xdg(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, value: str) -> None:
    """Without an absolute XDG_DATA_HOME, data is kept under ~/.local/share."""
    monkeypatch.setenv("XDG_DATA_HOME", value)
    monkeypatch.setenv("HOME", str(tmp_path))

    assert tmp_path / ".local" / "share" / "clew" == default_directory()


def test_the_page_lists_every_setting_as_it_is() -> None:
    """docs/settings.md has one row for each setting: its variable, its default and what it does, and no other row."""
    rows = re.findall(r"^\| `(CLEW_\w+)` \| (.*?) \| (.*) \|$", PAGE.read_text(), re.MULTILINE)
    expected = []
    for name, field in Settings.model_fields.items():
        if name == "database_url":
            default = "`sqlite:///` and `clew.db` in the data directory"
        else:
            default = f"`{field.default}`" if field.default is not None else "none"
        expected.append((variable(name), default, field.description))

    assert expected == rows
