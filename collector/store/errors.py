"""What can be wrong with the database, each in one sentence that a person can act on.

    StoreError
    ├── UnsupportedUrl      not a URL of SQLite or PostgreSQL
    ├── MissingDirectory    the file's directory does not exist
    ├── MissingDatabase     nothing to read there yet
    ├── NotWritable         the file, its directory or the database may not be written
    ├── DatabaseLocked      another process holds the write lock
    ├── DatabaseInUse       another collector works on this file
    ├── DatabaseFull        no space left
    ├── NotEmpty            the target of a copy holds something
    ├── CopyFailed          the target of a copy did not hold what was copied
    ├── NotSharded          the extension that spreads tables over several servers is not there
    ├── CannotConnect       the database server does not answer or refuses
    ├── NotADatabase        another program's file, or a damaged one
    ├── WrongVersion
    │   ├── NewerDatabase   written by a newer Clew
    │   └── OlderDatabase   not upgraded yet
    └── TryAgain            nothing is wrong with the request: send it again later
        ├── Overloaded      more is waiting to be written than may wait
        └── StoreUnavailable  the database failed, or the writer is stopping

Messages name the file or the server and never hold a password. `collector.store.engine` turns the drivers' errors
into these; whatever it does not recognise stays what SQLAlchemy raises.
"""

from __future__ import annotations


class StoreError(Exception):
    """The database cannot be used. `str()` is one sentence for whoever started the program."""


class UnsupportedUrl(StoreError):
    pass


class MissingDirectory(StoreError):
    pass


class MissingDatabase(StoreError):
    pass


class NotWritable(StoreError):
    pass


class DatabaseLocked(StoreError):
    pass


class DatabaseInUse(StoreError):
    pass


class DatabaseFull(StoreError):
    pass


class NotEmpty(StoreError):
    pass


class CopyFailed(StoreError):
    pass


class NotSharded(StoreError):
    pass


class CannotConnect(StoreError):
    pass


class NotADatabase(StoreError):
    pass


class WrongVersion(StoreError):
    pass


class NewerDatabase(WrongVersion):
    pass


class OlderDatabase(WrongVersion):
    pass


class TryAgain(StoreError):
    """The request was not stored and is worth sending again after `retry_after_s` seconds."""

    def __init__(self, message: str, retry_after_s: int) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Overloaded(TryAgain):
    pass


class StoreUnavailable(TryAgain):
    pass
