"""Real botocore clients whose requests are answered at once: serialised, signed, retried and parsed as ever."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, field
from typing import Any

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest, AWSResponse
from botocore.compat import HTTPHeaders
from botocore.config import Config
from botocore.credentials import Credentials

CREDENTIALS = ("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")


class _Raw(io.BytesIO):
    """What urllib3's response is to botocore."""

    def stream(self, amt: int = 65536, decode_content: bool | None = None) -> Any:
        while chunk := self.read(amt):
            yield chunk


@dataclass
class Answers:
    """Answers by turns; the last one again and again. Keeps the requests as they would have left."""

    answers: list[tuple[int, Any]]
    headers: dict[str, str] = field(default_factory=dict)
    requests: list[Any] = field(default_factory=list)

    def __call__(self, request: Any, **_: Any) -> AWSResponse:
        self.requests.append(request)
        status, content = self.answers[min(len(self.requests), len(self.answers)) - 1]
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        headers = {"x-amzn-requestid": "8cf0fb0a-9a6f-4a16-8a3c-0f0e1ee0bbbb", **self.headers}
        headers = {name: value for name, value in headers.items() if value}  # S3 has another one instead
        return AWSResponse(request.url, status, HTTPHeaders.from_dict(headers), _Raw(body))

    @property
    def sent(self) -> dict[str, Any]:
        """The JSON that the last request holds."""
        content: dict[str, Any] = json.loads(self.requests[-1].body)
        return content


def answered(service: str, *answers: tuple[int, Any], headers: dict[str, str] | None = None) -> tuple[Any, Answers]:
    """A client of boto3, and what answers it."""
    client = boto3.client(
        service,
        region_name="eu-west-1",
        aws_access_key_id=CREDENTIALS[0],
        aws_secret_access_key=CREDENTIALS[1],
        config=Config(retries={"total_max_attempts": 4, "mode": "standard"}),
    )
    both = Answers(list(answers) or [(200, {})], headers or {})
    client.meta.events.register("before-send", both)
    return client, both


def is_signed(request: Any, service: str) -> bool:
    """Whether the request's signature is that of what it holds."""
    given = request.headers["Authorization"]
    authorization = given.decode() if isinstance(given, bytes) else given
    names = authorization.partition("SignedHeaders=")[2].partition(",")[0].split(";")
    content = AWSRequest(
        method=request.method,
        url=request.url,
        data=request.body,
        headers={name: _text(request.headers[name]) for name in names if name != "host"},
    )
    content.context["timestamp"] = _text(request.headers["X-Amz-Date"])
    auth = SigV4Auth(Credentials(*CREDENTIALS), service, "eu-west-1")
    to_sign = auth.string_to_sign(content, auth.canonical_request(content))
    return auth.signature(to_sign, content) == authorization.partition("Signature=")[2]


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
