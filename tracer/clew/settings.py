"""Every environment variable that the tracer reads, in one typed place. `docs/tracer.md` describes each.

A value that cannot be read costs one warning and leaves the default.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping
    from dataclasses import dataclass
    from dataclasses import replace as replace  # noqa: PLC0414  # for others

    from clew.masking_rules import MaskingRules
else:
    # What is read here is checked as dataclasses are, but made without: compiling the methods that nobody calls takes
    # 1.7 ms of INIT.
    def dataclass(*, frozen):  # noqa: ARG001
        def with_fields(kind):
            kind.__init__ = lambda self, **fields: self.__dict__.update(fields)
            return kind

        return with_fields

    def replace(one, **changes):
        return type(one)(**{**one.__dict__, **changes})


SAMPLERS = frozenset(
    {
        "always_on",
        "always_off",
        "traceidratio",
        "parentbased_always_on",
        "parentbased_always_off",
        "parentbased_traceidratio",
    }
)
PROTOCOLS = frozenset({"http/protobuf", "http/json", "grpc"})
LIMITS = (
    "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT",
    "OTEL_ATTRIBUTE_COUNT_LIMIT",
    "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT",
    "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT",
    "OTEL_SPAN_EVENT_COUNT_LIMIT",
    "OTEL_SPAN_LINK_COUNT_LIMIT",
    "OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT",
    "OTEL_LINK_ATTRIBUTE_COUNT_LIMIT",
)
MASKING = (
    "CLEW_MASK_KEYS",
    "CLEW_MASK_KEYS_EVENT",
    "CLEW_MASK_KEYS_RETURN_VALUE",
    "CLEW_MASK_KEYS_REQUEST",
    "CLEW_MASK_KEYS_RESPONSE",
    "CLEW_MASK_KEYS_HEADERS",
    "CLEW_MASK_KEYS_ENVIRONMENT",
    "CLEW_MASK_KEYS_LOCALS",
    "CLEW_KEEP_KEYS",
    "CLEW_ALLOW_KEYS",
    "CLEW_MASK_PATHS",
    "CLEW_MASK_VALUES",
    "CLEW_MASK_PLACES",
)
_TRUE = frozenset({"true", "1", "yes", "on"})
_FALSE = frozenset({"false", "0", "no", "off"})


@dataclass(frozen=True)
class Destination:
    """Where one signal goes."""

    exporter: str  # otlp, console or none
    url: str
    protocol: str
    headers: dict[str, str]
    gzip: bool
    certificate: str | None
    client_certificate: str | None
    client_key: str | None


@dataclass(frozen=True)
class Settings:
    """What the environment asks for. Times are seconds, sizes bytes."""

    disabled: bool
    layer: bool
    function_name: str | None
    in_lambda: bool
    service_name: str | None
    resource_attributes: dict[str, str]
    traces: Destination
    logs: Destination
    sampler: str
    sampler_ratio: float
    propagators: tuple[str, ...]
    limits: dict[str, int]
    export_timeout: float
    timeout_margin: float | None
    checkpoint_after: float
    extension: str
    telemetry: bool
    sample_ratio: float
    sample_slow: float
    inject_context: bool
    instrumentations: bool
    disabled_instrumentations: tuple[str, ...]
    dashboard_url: str | None
    capture_payloads: bool
    capture_environment: bool
    capture_locals: bool
    payload_limit: int
    payload_limit_on_error: int
    masking: MaskingRules | None
    capture_logs: bool
    max_spans: int
    max_log_records: int
    warnings: tuple[str, ...]
    unreadable: frozenset[str]


_last: tuple[dict[str, str], Settings] | None = None


def read(environ: Mapping[str, str]) -> Settings:
    """The settings that `environ` holds. Never raises."""
    global _last  # noqa: PLW0603  # read twice or more in INIT, and seldom changed meanwhile
    given = dict(environ)  # a look into `os.environ` takes 1 µs, and there are 80
    if _last is None or _last[0] != given:
        _last = (given, parse(given))
    return _last[1]


def parse(environ: Mapping[str, str]) -> Settings:
    """The same, however often it was asked before."""
    reader = _Reader(environ)
    function_name = reader.text("AWS_LAMBDA_FUNCTION_NAME")
    resource_attributes = reader.pairs("OTEL_RESOURCE_ATTRIBUTES", lower=False)
    export_timeout = reader.number("CLEW_EXPORT_TIMEOUT", reader.number("OTEL_EXPORTER_OTLP_TIMEOUT", 200.0))
    payload_limit = int(reader.number("CLEW_PAYLOAD_LIMIT", 2048))
    margin = reader.number("CLEW_TIMEOUT_MARGIN", -1.0)
    sampler = reader.choice("OTEL_TRACES_SAMPLER", "parentbased_always_on", SAMPLERS)
    return Settings(
        disabled=reader.flag("CLEW_DISABLED", default=False) or reader.flag("OTEL_SDK_DISABLED", default=False),
        layer=reader.flag("CLEW_LAYER", default=False),
        function_name=function_name,
        in_lambda=function_name is not None,
        service_name=reader.text("OTEL_SERVICE_NAME") or resource_attributes.get("service.name"),
        resource_attributes=resource_attributes,
        traces=reader.destination("TRACES"),
        logs=reader.destination("LOGS"),
        sampler=sampler,
        sampler_ratio=reader.ratio("OTEL_TRACES_SAMPLER_ARG") if sampler.endswith("traceidratio") else 1.0,
        propagators=reader.names("OTEL_PROPAGATORS", ("tracecontext", "baggage")),
        limits=reader.limits(),
        export_timeout=export_timeout / 1000,
        timeout_margin=None if margin < 0 else margin / 1000,
        checkpoint_after=reader.number("CLEW_CHECKPOINT_AFTER", 500.0) / 1000,
        extension=reader.choice("CLEW_EXTENSION", "auto", frozenset({"auto", "true", "false"})),
        telemetry=reader.flag("CLEW_TELEMETRY", default=True),
        sample_ratio=reader.ratio("CLEW_SAMPLE_RATIO"),
        sample_slow=reader.number("CLEW_SAMPLE_SLOW", 1000.0) / 1000,
        inject_context=reader.flag("CLEW_INJECT_CONTEXT", default=True),
        instrumentations=reader.flag("CLEW_INSTRUMENTATIONS", default=True),
        disabled_instrumentations=reader.names("OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", ()),
        dashboard_url=reader.text("CLEW_DASHBOARD_URL"),
        capture_payloads=reader.flag("CLEW_CAPTURE_PAYLOADS", default=True),
        payload_limit=payload_limit,
        payload_limit_on_error=int(reader.number("CLEW_PAYLOAD_LIMIT_ON_ERROR", max(4096, payload_limit))),
        masking=reader.masking(),
        capture_environment=reader.flag("CLEW_CAPTURE_ENVIRONMENT", default=False),
        capture_locals=reader.flag("CLEW_CAPTURE_LOCALS", default=False),
        capture_logs=reader.flag("CLEW_CAPTURE_LOGS", default=True),
        max_spans=int(reader.number("CLEW_MAX_SPANS", 2000)),
        max_log_records=int(reader.number("CLEW_MAX_LOG_RECORDS", 1000)),
        warnings=tuple(reader.warnings),
        unreadable=frozenset(reader.unreadable),
    )


class _Reader:
    """Reads typed values and notes those that it cannot read."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environ = environ
        self.warnings: list[str] = []
        self.unreadable: set[str] = set()

    def text(self, name: str) -> str | None:
        """The value without blanks around it; OpenTelemetry treats an empty one as unset."""
        return (self.environ.get(name) or "").strip() or None

    def reject(self, name: str, why: str, instead: str) -> None:
        self.unreadable.add(name)
        self.warnings.append(f"{name} {why}; {instead}")

    def flag(self, name: str, *, default: bool) -> bool:
        value = (self.text(name) or "").lower()
        if value in _TRUE:
            return True
        if value in _FALSE:
            return False
        if value:
            self.reject(name, "is neither true nor false", f"using {str(default).lower()}")
        return default

    def number(self, name: str, default: float) -> float:
        value = self.text(name)
        if value is None:
            return default
        try:
            number = float(value)
        except ValueError:
            number = -1.0
        if not 0 <= number <= 1e9:
            self.reject(name, "is not a number from 0 to 1e9", f"using {default:g}" if default >= 0 else "using none")
            return default
        return number

    def ratio(self, name: str) -> float:
        value = self.text(name)
        if value is None:
            return 1.0
        try:
            number = float(value)
        except ValueError:
            number = -1.0
        if not 0 <= number <= 1:
            self.reject(name, "is not a number from 0 to 1", "using 1")
            return 1.0
        return number

    def choice(self, name: str, default: str, choices: frozenset[str]) -> str:
        value = (self.text(name) or "").lower()
        if value in choices:
            return value
        if value:
            self.reject(name, f"is none of {', '.join(sorted(choices))}", f"using {default}")
        return default

    def names(self, name: str, default: tuple[str, ...]) -> tuple[str, ...]:
        value = self.text(name)
        if value is None:
            return default
        return tuple(part.strip().lower() for part in value.split(",") if part.strip())

    def pairs(self, name: str, *, lower: bool) -> dict[str, str]:
        """`key=value,key=value` with percent-encoded values, as OpenTelemetry writes resources and headers."""
        pairs: dict[str, str] = {}
        for part in (self.text(name) or "").split(","):
            if not part.strip():
                continue
            key, equals, value = part.partition("=")
            key, value = unquote(key.strip()), unquote(value.strip())
            if not key or not equals or any(char in key + value for char in "\r\n\0"):
                self.reject(name, "holds a part that is not key=value", "leaving that part out")
                continue
            pairs[key.lower() if lower else key] = value
        return pairs

    def masking(self) -> MaskingRules | None:
        given = {name: value for name in MASKING if (value := self.text(name)) is not None}
        if not given:
            return None
        from clew.masking_reader import read_rules  # noqa: PLC0415  # not of use to most functions

        return read_rules(given, self.reject)

    def limits(self) -> dict[str, int]:
        limits = {}
        for name in LIMITS:
            value = self.text(name)
            if value is None:
                continue
            if value.isdecimal():
                limits[name] = int(value)
            else:
                self.reject(name, "is not a whole number", "using OpenTelemetry's default")
        return limits

    def destination(self, signal: str) -> Destination:
        def name(suffix: str) -> str:
            """The signal's own variable where it is set, else the one for all signals."""
            own = f"OTEL_EXPORTER_OTLP_{signal}_{suffix}"
            return own if self.text(own) else f"OTEL_EXPORTER_OTLP_{suffix}"

        exporters = frozenset({"otlp", "console", "none"})
        return Destination(
            exporter=self.choice(f"OTEL_{signal}_EXPORTER", "otlp", exporters),
            url=self.url(name("ENDPOINT"), signal),
            protocol=self.choice(name("PROTOCOL"), "http/protobuf", PROTOCOLS),
            headers=self.pairs(name("HEADERS"), lower=True),
            gzip=self.choice(name("COMPRESSION"), "gzip", frozenset({"gzip", "none"})) == "gzip",
            certificate=self.text(name("CERTIFICATE")),
            client_certificate=self.text(name("CLIENT_CERTIFICATE")),
            client_key=self.text(name("CLIENT_KEY")),
        )

    def url(self, name: str, signal: str) -> str:
        """A signal's own endpoint is used as it is; the common one gets the signal's path."""
        path = f"/v1/{signal.lower()}"
        default = f"http://localhost:4318{path}"
        value = self.text(name)
        if value is None:
            return default
        try:
            parts = urlsplit(value)
            readable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
        except ValueError:
            readable = False
        if not readable or not value.isascii() or any(char.isspace() for char in value):
            self.reject(name, "is not an http or https address", f"using {default}")
            return default
        return value if name.endswith(f"_{signal}_ENDPOINT") else value.rstrip("/") + path
