"""Secrets where they are kept: their key, losing it, replacing it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from collector.alerts.keyring import Keyring, KeyringError, Unreadable, new_key


def test_a_secret_is_read_back_and_not_readable(tmp_path: Path) -> None:
    """The key file is its owner's alone, also under a lax umask."""
    before = os.umask(0)
    try:
        sealed = Keyring(path=tmp_path / "key").seal(7, {"token": "geheim"})
    finally:
        os.umask(before)

    assert b"geheim" not in sealed
    assert {"token": "geheim"} == Keyring(path=tmp_path / "key").open(7, sealed)
    assert 0o600 == (tmp_path / "key").stat().st_mode & 0o777
    assert ["key"] == [path.name for path in tmp_path.iterdir()]


def test_a_secret_is_its_channels_alone() -> None:
    """A row that is copied onto another channel does not open."""
    keyring = Keyring(new_key())
    with pytest.raises(Unreadable, match="another channel's"):
        keyring.open(8, keyring.seal(7, {"token": "x"}))


def test_a_lost_key_is_told(tmp_path: Path) -> None:
    """Gone, another one, or damaged data: it says what to do."""
    keyring = Keyring(path=tmp_path / "key")
    sealed = keyring.seal(7, {"token": "x"})
    (tmp_path / "key").unlink()
    with pytest.raises(Unreadable, match=r"The key file .* is gone\. Bring the key back"):
        Keyring(path=tmp_path / "key").open(7, sealed)
    assert not (tmp_path / "key").exists()  # reading makes no new one
    with pytest.raises(Unreadable, match="a key that this collector does not have"):
        Keyring(new_key()).open(7, sealed)
    with pytest.raises(Unreadable):
        Keyring(new_key()).open(7, b"damaged")


def test_several_keys_open_and_the_first_one_seals() -> None:
    """So that a key is replaced without a gap."""
    old, new = new_key(), new_key()
    sealed = Keyring(old).seal(7, {"token": "x"})
    both = Keyring(f"{new}, {old}")

    assert {"token": "x"} == both.open(7, sealed) == Keyring(new).open(7, both.seal(7, {"token": "x"}))


def test_a_file_is_rotated_while_others_read_it(tmp_path: Path) -> None:
    """A process that knows the old key alone finds the new one in the file."""
    running, rotating = Keyring(path=tmp_path / "key"), Keyring(path=tmp_path / "key")
    sealed = running.seal(7, {"token": "x"})
    rotating.begin_rotation()
    anew = rotating.seal(7, rotating.open(7, sealed))
    rotating.end_rotation()

    assert {"token": "x"} == running.open(7, anew)
    assert 1 == len((tmp_path / "key").read_text().split())
    with pytest.raises(Unreadable):
        running.open(7, sealed)


def test_a_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    """It says how to mend it."""
    keyring = Keyring(path=tmp_path / "key")
    keyring.seal(7, {})
    (tmp_path / "key").chmod(0o644)
    with pytest.raises(KeyringError, match="chmod 600"):
        Keyring(path=tmp_path / "key").seal(7, {})


def test_without_a_place_for_a_key_there_is_none() -> None:
    """On PostgreSQL the setting has it; a wrong one is told without being shown."""
    with pytest.raises(KeyringError, match="Set CLEW_SECRET_KEY"):
        Keyring().seal(7, {})
    with pytest.raises(KeyringError, match=r"^CLEW_SECRET_KEY holds no key"):
        Keyring("wrong")
    with pytest.raises(KeyringError, match="put a new one before it"):
        Keyring(new_key()).begin_rotation()


def test_processes_that_start_at_once_share_one_key(tmp_path: Path) -> None:
    """Of several that make the file, one wins and all read the same."""
    program = (
        "import sys; from pathlib import Path; from collector.alerts.keyring import Keyring\n"
        "sys.stdout.buffer.write(Keyring(path=Path(sys.argv[1])).seal(7, {'token': 'x'}))"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", program, str(tmp_path / "key")], stdout=subprocess.PIPE)
        for _ in range(4)
    ]
    sealed = [process.communicate(timeout=60)[0] for process in processes]

    assert [{"token": "x"}] * 4 == [Keyring(path=tmp_path / "key").open(7, one) for one in sealed]
