"""Every setting of the server: one class, read from the environment. docs/settings.md is its page."""

from __future__ import annotations

import os
from itertools import pairwise
from math import inf
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from collector.app.errors import InvalidSetting
from collector.store.periods import Periods

PREFIX = "CLEW_"
MIB = 1024 * 1024
MOST_DAYS = 36_500
RESERVED_THREADS = 16  # that ingest never takes, so that pages open however busy it is


class Settings(BaseSettings):
    """Field `x_y` is the variable `CLEW_X_Y`. Sizes are bytes, durations seconds."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, extra="ignore", frozen=True)

    host: str = Field(
        "127.0.0.1",
        min_length=1,
        description="Address to listen on, `0.0.0.0` for all. On any but loopback, tokens are needed.",
    )
    port: int = Field(
        4318,
        ge=0,
        le=65535,
        description="Port of both the receivers and the dashboard; the default is OTLP's own. 0 takes any free one.",
    )
    grpc: bool = Field(
        True,
        description="Whether OTLP/gRPC is taken too; without it the process is 20 MB smaller.",
    )
    grpc_port: int | None = Field(
        None,
        ge=0,
        le=65535,
        description="Port of OTLP/gRPC; unless set, the one below `CLEW_PORT`: 4317, OTLP's own. 0 takes any free one.",
    )
    database_url: str = Field(
        default_factory=lambda: f"sqlite:///{default_directory() / 'clew.db'}",
        description="`sqlite:////absolute/path.db`, `sqlite:///relative/path.db`, or `postgresql://user:password@host/name`.",
    )
    require_tokens: bool = Field(
        False,
        description="Whether tokens are needed on loopback too. Through a proxy they are in any case.",
    )
    tls_certificate: Path | None = Field(
        None,
        description="Certificate in PEM, with those that lead to its authority: HTTPS, and TLS for OTLP/gRPC.",
    )
    tls_key: Path | None = Field(
        None,
        description="Key of `CLEW_TLS_CERTIFICATE` in PEM, without a password.",
    )
    trusted_proxies: int = Field(
        0,
        ge=0,
        le=10,
        description="Proxies in front whose `X-Forwarded-For`, `-Proto` and `-Host` are believed, counted from here.",
    )
    prices_file: Path | None = Field(
        None,
        description="A price table in place of the one that comes along; `clew prices check` checks one.",
    )
    max_body_bytes: int = Field(
        8 * MIB,
        ge=1024,
        description="Largest body of one export, sent and decompressed. Larger ones get 413. JSON may have a quarter.",
    )
    max_queue_bytes: int = Field(
        64 * MIB,
        ge=1024,
        description="Memory of all exports that are being received or wait for their commit. Beyond it: 429.",
    )
    firehose_access_key: str | None = Field(
        None,
        max_length=4096,
        pattern=r"^[!-~]([ -~]*[!-~])?$",  # what a header's value can hold in any server
        description="An access key for Amazon Data Firehose; an ingest token does as well, and can be revoked.",
    )
    threads: int = Field(
        256,
        ge=2 * RESERVED_THREADS,
        le=4096,
        description=f"Requests worked on at once. {RESERVED_THREADS} are kept for pages; an export beyond gets 429.",
    )
    max_connections: int = Field(
        4096,
        ge=128,
        description="Connections open at once, idle ones included. More wait until one closes.",
    )
    body_timeout_s: float = Field(
        30.0,
        gt=0,
        description="How long a request's body may take to arrive; then 503. Slow ones get half of the places.",
    )
    retention_exports_days: float = Field(
        14.0,
        ge=0,
        le=MOST_DAYS,
        description="How long requests are kept whole, with payloads, attributes and log lines. 0: for ever.",
    )
    retention_rows_days: float = Field(
        30.0,
        ge=0,
        le=MOST_DAYS,
        description="How long invocations, calls, transactions and links are kept. 0: for ever.",
    )
    retention_minutes_days: float = Field(
        60.0,
        ge=0,
        le=MOST_DAYS,
        description="How long sums per minute are kept: charts narrower than an hour a bar. 0: for ever.",
    )
    retention_hours_days: float = Field(
        400.0,
        ge=0,
        le=MOST_DAYS,
        description="How long sums per hour are kept, and functions, resources and issues that nothing is heard of. "
        "0: for ever.",
    )
    retention_errors_days: float | None = Field(
        None,
        gt=0,
        le=MOST_DAYS,
        description="How long exports and rows of transactions with a failure are kept, where that is longer.",
    )
    retention_max_bytes: int | None = Field(
        None,
        ge=MIB,
        description="What the database may take on disk: beyond it the oldest exports go, however young they are.",
    )
    public_url: str | None = Field(
        None,
        pattern=r"^https?://[^\s/?#@]+[^\s?#]*$",
        description="Where people read Clew, for the links in alerts; otherwise the address that it listens on.",
    )
    secret_key: str | None = Field(
        None,
        min_length=32,
        description="Encrypts keys of channels (`clew channels new-key`); otherwise a file beside the SQLite database.",
    )
    alert_networks: str | None = Field(
        None,
        description="Internal addresses that channels may reach: `10.1.0.0/16,127.0.0.1`. Otherwise only public ones.",
    )
    near_timeout: float = Field(
        0.9,
        ge=0,
        le=1,
        description="From which share of its time limit on an invocation that ended well is an issue; 0: never.",
    )
    near_memory: float = Field(
        0.95,
        ge=0,
        le=1,
        description="From which share of its memory on an invocation that ended well is an issue; 0: never.",
    )
    crash_grace_s: float = Field(
        60.0,
        ge=0,
        description="How long after its deadline the end of an invocation may arrive before it counts as crashed.",
    )
    stop_timeout_s: float = Field(
        10.0,
        ge=0,
        description="How long a stop waits for requests that have begun.",
    )
    log_format: Literal["text", "json"] = Field(
        "text",
        description="How it writes its log to stderr: for a person, or one JSON object a line.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info",
        description="Least severity that is written to stderr.",
    )

    @model_validator(mode="after")
    def _certificate_has_key(self) -> Self:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError(f"{PREFIX}TLS_CERTIFICATE and {PREFIX}TLS_KEY are set together, or neither")
        return self

    def periods(self) -> Periods:
        """How long what is kept."""
        return Periods(
            exports=self.retention_exports_days or None,
            rows=self.retention_rows_days or None,
            minutes=self.retention_minutes_days or None,
            hours=self.retention_hours_days or None,
            errors=self.retention_errors_days or 0.0,
            max_bytes=self.retention_max_bytes,
        )

    @model_validator(mode="after")
    def _what_is_larger_goes_first(self) -> Self:
        names = ("retention_exports_days", "retention_rows_days", "retention_minutes_days", "retention_hours_days")
        for shorter, longer in pairwise(names):
            if (getattr(self, shorter) or inf) > (getattr(self, longer) or inf):
                raise ValueError(
                    f"{variable(shorter)} ({getattr(self, shorter):g}) must not exceed "
                    f"{variable(longer)} ({getattr(self, longer):g})"
                )
        if (self.retention_errors_days or 0) > (self.retention_hours_days or inf):
            raise ValueError(
                f"{variable('retention_errors_days')} ({self.retention_errors_days:g}) must not exceed "
                f"{variable('retention_hours_days')} ({self.retention_hours_days:g})"
            )
        return self

    @model_validator(mode="after")
    def _body_fits_queue(self) -> Self:
        if self.max_body_bytes > self.max_queue_bytes:
            raise ValueError(
                f"{PREFIX}MAX_BODY_BYTES ({self.max_body_bytes}) must not exceed "
                f"{PREFIX}MAX_QUEUE_BYTES ({self.max_queue_bytes}): such a body could never be taken"
            )
        return self


def read_settings(**overrides: object) -> Settings:
    """The settings of this process. Overrides win over the environment. Raises InvalidSetting."""
    try:
        return Settings.model_validate(overrides)
    except ValidationError as error:
        raise InvalidSetting(_sentence(error)) from None


def default_directory() -> Path:
    """Where the database is kept unless told otherwise: by the XDG rules, `~/.local/share/clew`."""
    base = os.environ.get("XDG_DATA_HOME", "")
    # The rules say that a relative path there is to be ignored.
    return (Path(base) if Path(base).is_absolute() else Path.home() / ".local" / "share") / "clew"


def variable(field: str) -> str:
    return PREFIX + field.upper()


def _sentence(error: ValidationError) -> str:
    # The value itself is not shown: a database's URL may hold a password.
    fault = error.errors(include_url=False)[0]
    message = fault["msg"].removeprefix("Value error, ")
    if not fault["loc"]:
        return f"{message}."
    return f"{variable(str(fault['loc'][0]))} cannot be used: {message[:1].lower()}{message[1:]}."
