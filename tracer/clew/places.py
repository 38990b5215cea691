"""The words in which a trigger is told, and where it was."""

from __future__ import annotations

from typing import NamedTuple


class Trigger(NamedTuple):
    """`type` and `resource` as in docs/attributes.md; `faas` is OpenTelemetry's coarser word."""

    type: str
    faas: str
    resource: str = ""


DIRECT = Trigger("direct", "other")


class Place(NamedTuple):
    """The function's own region and account, which its triggers' are where an event does not tell; "" if unknown."""

    region: str
    account: str

    def arn(self, service: str, resource: str, account: str = "") -> str:
        """`arn:aws:service:region:account:resource`; "" without a region or an account."""
        owner = account or self.account
        if not self.region or not owner:
            return ""
        return f"arn:{partition(self.region)}:{service}:{self.region}:{owner}:{resource}"


def partition(region: str) -> str:
    """AWS's separate worlds, China and the US government's, have ARNs of their own."""
    if region.startswith("cn-"):
        return "aws-cn"
    return "aws-us-gov" if region.startswith("us-gov-") else "aws"
