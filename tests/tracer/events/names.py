"""Names that the events share, and how their bytes are written."""

from __future__ import annotations

import base64
import json
from typing import Any

REGION = "eu-west-1"
ACCOUNT = "123456789012"
HOME = f"{REGION}:{ACCOUNT}"
TOPIC = f"arn:aws:sns:{HOME}:orders"
QUEUE = f"arn:aws:sqs:{HOME}:orders"
STREAM = f"arn:aws:kinesis:{HOME}:stream/clicks"
TABLE = f"arn:aws:dynamodb:{HOME}:table/orders"
FUNCTION = f"arn:aws:lambda:{HOME}:function:thumb"
EXECUTION = f"arn:aws:states:{HOME}:execution:checkout:run-1"
MACHINE = f"arn:aws:states:{HOME}:stateMachine:checkout"
TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"


def encoded(value: Any) -> str:
    return base64.b64encode(value if isinstance(value, bytes) else json.dumps(value).encode()).decode()


def numbers(text: str) -> list[int]:
    """As Java lists the bytes of a Kafka header."""
    return [byte - 256 if byte > 127 else byte for byte in text.encode()]
