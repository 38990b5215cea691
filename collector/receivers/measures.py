"""What the receivers count, as measures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector.domain.measures import Measure, by, one

if TYPE_CHECKING:
    from collector.receivers.admission import Admission
    from collector.receivers.counters import Counters


def receiver_measures(admission: Admission, counters: Counters) -> list[Measure]:
    return [
        Measure(
            "requests",
            "counter",
            "Export requests answered, by signal and HTTP status.",
            lambda: {
                (("signal", signal), ("status", str(status))): count
                for (signal, status), count in dict(counters.requests).items()
            },
        ),
        Measure(
            "requests_refused",
            "counter",
            "Export requests refused, by reason.",
            lambda: by("reason", counters.refusals),
        ),
        Measure(
            "stored_items",
            "counter",
            "Spans and log records stored; one that is sent again counts again.",
            lambda: by("signal", counters.stored_items),
        ),
        Measure(
            "rejected_items",
            "counter",
            "Spans, log records and data points refused by partial success.",
            lambda: by("signal", counters.rejected_items),
        ),
        Measure(
            "unplaced_log_records",
            "counter",
            "Log records of no trace, not kept.",
            lambda: one(counters.unplaced_records),
        ),
        Measure("received_bytes", "counter", "Bytes of bodies as sent.", lambda: one(counters.received_bytes)),
        Measure("decompressed_bytes", "counter", "Bytes of the same bodies.", lambda: one(counters.decompressed_bytes)),
        Measure("requests_under_way", "gauge", "Exports being received or stored.", lambda: one(admission.requests)),
        Measure("bytes_under_way", "gauge", "Bytes of their bodies.", lambda: one(admission.bytes)),
    ]
