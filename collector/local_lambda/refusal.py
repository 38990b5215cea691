"""What the local APIs answer to a request that they do not take."""

from __future__ import annotations


class Refusal(Exception):
    """A request that is answered with an error document: Lambda's error type, and a message for whoever reads it."""

    def __init__(self, error_type: str, message: str, status: int = 403) -> None:
        super().__init__(message)
        self.error_type = error_type
        self.status = status
