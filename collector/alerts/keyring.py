"""Keys and addresses of channels, encrypted where they are kept.

With Fernet (AES-128-CBC and HMAC-SHA256) under a key that is not in the database: of the setting CLEW_SECRET_KEY, or
in a file that only its owner may read, beside the SQLite database. What is sealed names its channel, so that it opens
for no other. Of several keys the first one seals and all of them open: so a key is replaced without a gap.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from collector.alerts.outcomes import TryAgain

if TYPE_CHECKING:
    from cryptography.fernet import MultiFernet

SETTING = "CLEW_SECRET_KEY"
_MODE = 0o600


class KeyringError(Exception):
    """There is no key to use; `str()` says what to do."""


class Unreadable(TryAgain):
    """Sealed with a key that is not there."""


class Keyring:
    """`text` are keys, separated by commas or lines; without it they are in `path`, which is made when it is needed."""

    def __init__(self, text: str | None = None, path: Path | None = None) -> None:
        self._text = text
        self._path = path if text is None else None
        self._fernet: MultiFernet | None = None
        if text is not None:
            self._fernet = _fernet(_split(text), SETTING)

    def seal(self, channel_id: int, values: Mapping[str, str]) -> bytes:
        """Raises KeyringError."""
        content = json.dumps({"channel": channel_id, "values": dict(values)}).encode()
        if self._text is None:
            self._fernet = None  # another process may have rotated the keys in the file
        return self._keys(make=True).encrypt(content)

    def open(self, channel_id: int, sealed: bytes) -> dict[str, str]:
        """What was sealed for this channel. Raises Unreadable."""
        try:
            content = json.loads(self._decrypt(sealed))
        except KeyringError as error:
            raise Unreadable(
                f"The channel's keys cannot be read. {error} Bring the key back, or enter the channel's keys again."
            ) from None
        if content["channel"] != channel_id:
            raise Unreadable("The channel's keys are another channel's. Enter them again.")
        values: dict[str, str] = content["values"]
        return values

    def _decrypt(self, sealed: bytes) -> bytes:
        from cryptography.fernet import InvalidToken  # noqa: PLC0415  # 7 MB that only channels need

        for reads_again in (self._path is not None, False):
            try:
                return self._keys(make=False).decrypt(sealed)
            except InvalidToken:
                if not reads_again:
                    break
                self._fernet = None  # another process may have rotated the keys in the file
        raise KeyringError("They were encrypted with a key that this collector does not have.")

    @property
    def in_file(self) -> bool:
        return self._text is None

    def begin_rotation(self) -> None:
        """Puts a new key first in the file. Raises KeyringError where the keys are in the setting."""
        path = self._file()
        keys = [new_key(), *_read(path)]
        _replace(path, keys)
        self._fernet = _fernet(keys, str(path))

    def end_rotation(self) -> None:
        """Leaves only the first key in the file: everything was sealed anew."""
        path = self._file()
        _replace(path, _read(path)[:1])
        self._fernet = None

    def _file(self) -> Path:
        if self._text is not None:
            raise KeyringError(
                f"The key is in {SETTING}: put a new one before it, with a comma between them, then rotate, then take "
                "the old one away."
            )
        if self._path is None:
            raise KeyringError(_NO_KEY)
        return self._path

    def _keys(self, *, make: bool) -> MultiFernet:
        if self._fernet is None:
            if self._path is None:
                raise KeyringError(_NO_KEY)
            if make and not self._path.exists():
                _make(self._path)
            self._fernet = _fernet(_read(self._path), str(self._path))
        return self._fernet


_NO_KEY = (
    f"Set {SETTING} to a key of `clew channels new-key`: on PostgreSQL there is no file beside the database for it."
)


def new_key() -> str:
    from cryptography.fernet import Fernet  # noqa: PLC0415

    return Fernet.generate_key().decode()


def _split(text: str) -> list[str]:
    return [key for key in text.replace(",", "\n").split() if key]


def _fernet(keys: Sequence[str], source: str) -> MultiFernet:
    from cryptography.fernet import Fernet, MultiFernet  # noqa: PLC0415

    try:
        return MultiFernet([Fernet(key) for key in keys])
    except (ValueError, TypeError):
        raise KeyringError(f"{source} holds no key of `clew channels new-key`.") from None


def _read(path: Path) -> list[str]:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise KeyringError(f"The key file {path} is gone.") from None
    except OSError as error:
        raise KeyringError(f"The key file {path} cannot be read: {error.strerror}.") from None
    with os.fdopen(descriptor) as file:
        if os.fstat(file.fileno()).st_mode & 0o077:
            raise KeyringError(f"The key file {path} may be read by others: chmod 600 it.")
        return _split(file.read(64 * 1024))


def _make(path: Path) -> None:
    """Of two that make it at once one wins, and both read its key. It is never seen half written."""
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        _write(draft, [new_key()])
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    except OSError as error:
        raise KeyringError(f"The key file {path} cannot be written: {error.strerror}.") from None


def _replace(path: Path, keys: Sequence[str]) -> None:
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        _write(draft, keys)
        draft.replace(path)
    except OSError as error:
        raise KeyringError(f"The key file {path} cannot be written: {error.strerror}.") from None


def _write(path: Path, keys: Sequence[str]) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, _MODE)
    with os.fdopen(descriptor, "w") as file:
        file.write("".join(f"{key}\n" for key in keys))
        file.flush()
        os.fsync(file.fileno())
