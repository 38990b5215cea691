"""OpenTelemetry's SDK, set up from the settings: spans made with its API nest under the invocation."""

from __future__ import annotations

import threading
from os import urandom  # now: a function may replace it
from struct import Struct
from typing import TYPE_CHECKING

from opentelemetry import trace
from opentelemetry.sdk import resources
from opentelemetry.sdk.trace import SpanLimits, TracerProvider, sampling
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.version import __version__ as sdk_version

from clew.environment import Hidden
from clew.lean_span import SpanBuffer, start_root
from clew.version import VERSION

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import SpanProcessor
    from opentelemetry.sdk.trace.sampling import Sampler
    from opentelemetry.trace import Link, Tracer

    from clew.settings import Settings


_IDS = Struct("<16Q")
_ENOUGH = 8  # of an invocation and five calls


class SystemIds(RandomIdGenerator):
    """Ids from the system's randomness.

    OpenTelemetry takes them from `random`: a function that seeds it would get other numbers than without the tracer,
    and the same ids again and again; so would all environments restored from one snapshot.
    """

    def __init__(self) -> None:
        self._drawn: list[int] = []

    def renew(self) -> None:
        """Forget what was drawn in advance: another process, or another copy of this one, may have the same."""
        self._drawn = []

    def draw(self) -> None:
        """Have enough of them for an invocation, when there is time: asking the system takes 1 to 4 µs, in an
        environment that was frozen 14, and nearly the same for sixteen as for one.
        """
        drawn = self._drawn  # not another's, which a fork meanwhile has put in its place
        if len(drawn) < _ENOUGH:
            drawn.extend(_IDS.unpack(urandom(_IDS.size)))

    def generate_span_id(self) -> int:
        while True:
            try:
                return self._drawn.pop() or 1
            except IndexError:  # noqa: PERF203  # more than once only where other threads took what was drawn
                self.draw()

    def generate_trace_id(self) -> int:
        return self.generate_span_id() << 64 | self.generate_span_id()


class _ForkableProvider(TracerProvider):
    """Renews its lock in a forked child, and nothing else.

    The SDK's runs its resource detectors there too, in a pool of threads: whose lock is still held if the pool's module
    was imported after the provider was made, so that the child never gets past it.
    """

    def _handle_fork(self) -> None:
        self._tracers_lock = threading.Lock()


class Provider:
    """The SDK's provider with our buffer in it."""

    def __init__(self, settings: Settings, attributes: dict[str, str | int | list[str]]) -> None:
        self.buffer = SpanBuffer(settings.max_spans)
        self.ids = SystemIds()
        self._provider = _provider(settings, attributes, self.buffer, self.ids)
        self.tracer: Tracer = self._provider.get_tracer("clew", VERSION)
        self._shared = False
        # Where no sampler has a say, and no limit of OpenTelemetry's is set.
        self._lean = not settings.limits and settings.sampler in {"always_on", "parentbased_always_on"}

    def start_invocation(self, name: str, around: Context | None, links: list[Link], start_time: int) -> trace.Span:
        """The span of an invocation, below what `around` holds: by default the current context."""
        if self._lean and (span := start_root(self.tracer, name, around, links, start_time)) is not None:
            return span
        return self.tracer.start_span(
            name, context=around, kind=trace.SpanKind.SERVER, links=links, start_time=start_time
        )

    def share(self) -> None:
        """Become the process's provider, unless the function has set up its own.

        Called with the first invocation: a function that sets its own during INIT must find the place free.
        """
        if self._shared:
            return
        self._shared = True
        # OpenTelemetry would load what the variable names, and fail if there is no such thing.
        with Hidden({"OTEL_PYTHON_TRACER_PROVIDER"}):
            if isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
                trace.set_tracer_provider(self._provider)

    def add(self, processor: SpanProcessor) -> None:
        """Have a processor called for every span, after the buffer."""
        self._provider.add_span_processor(processor)

    @property
    def resource(self) -> Resource:
        return self._provider.resource


def _provider(
    settings: Settings, attributes: dict[str, str | int | list[str]], processor: SpanProcessor, ids: SystemIds
) -> TracerProvider:
    limits = settings.limits
    # Not Resource.create: its detectors are found through package metadata, which takes longer than all of this.
    resource = resources.Resource({"telemetry.sdk.version": sdk_version, **attributes})
    provider = _ForkableProvider(
        sampler=_sampler(settings),
        resource=resource,
        shutdown_on_exit=False,
        id_generator=ids,
        span_limits=SpanLimits(
            max_attributes=limits.get("OTEL_ATTRIBUTE_COUNT_LIMIT"),
            max_events=limits.get("OTEL_SPAN_EVENT_COUNT_LIMIT"),
            max_links=limits.get("OTEL_SPAN_LINK_COUNT_LIMIT"),
            max_span_attributes=limits.get("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT"),
            max_event_attributes=limits.get("OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT"),
            max_link_attributes=limits.get("OTEL_LINK_ATTRIBUTE_COUNT_LIMIT"),
            max_attribute_length=limits.get("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT"),
            max_span_attribute_length=limits.get("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT"),
        ),
    )
    provider.add_span_processor(processor)
    return provider


def _sampler(settings: Settings) -> Sampler:
    samplers: dict[str, Sampler] = {
        "always_on": sampling.ALWAYS_ON,
        "always_off": sampling.ALWAYS_OFF,
        "parentbased_always_on": sampling.DEFAULT_ON,
        "parentbased_always_off": sampling.DEFAULT_OFF,
    }
    if settings.sampler == "traceidratio":
        return sampling.TraceIdRatioBased(settings.sampler_ratio)
    if settings.sampler == "parentbased_traceidratio":
        return sampling.ParentBasedTraceIdRatio(settings.sampler_ratio)
    return samplers[settings.sampler]
