"""Messages of CloudWatch Logs for tests, and lines as Lambda writes them.

Times are milliseconds, counted from `otlp.START_NS`.
"""

from __future__ import annotations

from collector.domain.cloudwatch import batch_facts, read_message
from collector.domain.facts import Facts
from tests.collector.domain.otlp import ACCOUNT, MS, RECEIVED_MS, REGION, START_NS

START_MS = START_NS // MS
STREAM = "2026/05/28/[$LATEST]0123456789abcdef0123456789abcdef"
PYTHON_ERROR = (
    "[ERROR] ValueError: no such file: a.mp3\rTraceback (most recent call last):\r"
    '\xa0\xa0File "/var/task/app.py", line 7, in handler\r\xa0\xa0\xa0\xa0return convert(event)\r'
    '\xa0\xa0File "/var/task/app.py", line 3, in convert\r\xa0\xa0\xa0\xa0raise ValueError(f"no such file: {name}")\r'
)


def request(number: int = 1) -> str:
    return f"8f5d3b1c-0000-4000-8000-{number:012d}"


def start(id: str) -> str:
    return f"START RequestId: {id} Version: $LATEST\n"


def end(id: str) -> str:
    return f"END RequestId: {id}\n"


def report(
    id: str, *, lasted: float = 3_001.5, billed: int | None = None, size: int = 512, used: int = 91, more: str = ""
) -> str:
    """`more`: further fields, each with its tab behind."""
    billed = int(lasted) + 1 if billed is None else billed
    return (
        f"REPORT RequestId: {id}\tDuration: {lasted:.2f} ms\tBilled Duration: {billed} ms\tMemory Size: {size} MB\t"
        f"Max Memory Used: {used} MB\t{more}\n"
    )


def message(
    *lines: tuple[int, str],
    group: str = "/aws/lambda/audio-to-text",
    stream: str = STREAM,
    owner: str = ACCOUNT,
    kind: str = "DATA_MESSAGE",
) -> dict[str, object]:
    """A subscription's message of lines, each with its time."""
    return {
        "messageType": kind,
        "owner": owner,
        "logGroup": group,
        "logStream": stream,
        "subscriptionFilters": ["clew"],
        "logEvents": [
            {"id": f"{START_MS + time:020d}{index:036d}", "timestamp": START_MS + time, "message": text}
            for index, (time, text) in enumerate(lines)
        ],
    }


def facts(*messages: dict[str, object], region: str = REGION, received_ms: int = RECEIVED_MS) -> Facts:
    """What the collector reads of them, in one export."""
    batches = [read_message(item, region=region, received_ms=received_ms) for item in messages]
    return batch_facts([batch for batch in batches if batch is not None], received_ms=received_ms)
