"""Price tables for tests."""

from __future__ import annotations

GOOD = """
[[lambda]]
from = 2025-01-01
bills_init = true
regions = "standard"
[regions.standard]
us-east-1 = { x86_64 = "0.00002", arm64 = "0.00001", request = "0.0000002" }
"""
CALLS = (
    GOOD
    + """
[[calls]]
service = "sqs"
operations = ["Send*", "ReceiveMessage"]
from = 2025-01-01
counts = "request"
unit = { us-east-1 = "0.0000004", "*" = "0.0000005" }
"""
)
