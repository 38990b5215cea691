"""What is a secret by its own shape, whatever it is called: tokens, JWTs, private keys, numbers of cards.

Imported when the first text turns up that may hold one.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from clew.base64_text import decoded
from clew.secrets import MASK

if TYPE_CHECKING:
    from clew.secrets import Secrets

# Each starts with plain letters, so that the search leaps to them; what stands before is looked at afterwards. No part
# can fail after more than a few characters without having taken them, so that the time grows with the text only.
_TOKEN = re.compile(
    r"AKIA(?<![A-Za-z0-9]AKIA)[A-Z0-9]{16}(?![A-Za-z0-9])"  # ids of AWS access keys
    r"|ASIA(?<![A-Za-z0-9]ASIA)[A-Z0-9]{16}(?![A-Za-z0-9])"
    r"|(?:IQoJb3JpZ2lu|FwoGZXIvYXdz)[A-Za-z0-9+/=%]{16,}"  # AWS session tokens
    r"|gh[opusr]_(?<![A-Za-z0-9]....)[A-Za-z0-9]{16,}|github_pat_\w{16,}"
    r"|gl(?:pat|ptt|dt|rt|soat|ft|cbt|imt|agent)-[\w.\-]{16,}"
    r"|xox[a-z](?:\.xox[a-z])?-[\w\-]{10,}|xapp-[\w\-]{10,}"
    r"|[sr]k_(?:live|test)_\w{10,}|whsec_[A-Za-z0-9+/=]{16,}"  # Stripe
    r"|AIza[\w\-]{30,}|ya29\.[\w\-.]{16,}|GOCSPX-[\w\-]{16,}"  # Google
    r"|npm_(?<!\w....)[A-Za-z0-9]{30,}|pypi-[\w\-]{30,}"
    r"|sk-(?<![\w\-]...)(?=[\w\-]{0,200}\d)[\w\-]{20,}"  # OpenAI and others like it
    r"|SG\.(?<!\w...)[\w\-]{16,64}\.[\w\-]{16,}|shp(?:at|ca|pa|ss)_[0-9a-fA-F]{16,}|hvs\.(?<!\w....)[\w\-]{20,}"
    r"|hf_(?<!\w...)[A-Za-z]{30,}"
)
_WEBHOOK = re.compile(r"(hooks\.slack\.com/)[\w/\-+]+")
_PRIVATE_KEY = re.compile(
    r"(-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY[A-Z ]{0,10}-----).*?(-----END [A-Z0-9 ]{0,60}-----|\Z)", re.DOTALL
)
# JWTs, and JSON in base64. Taken as long as they are, so that each character is read once.
_ENCODED = re.compile(r"(?<![A-Za-z0-9+/])(?:eyJ|ewog|W3si|H4sI)[\w+/=.\-]{8,}")
_SEGMENTS = re.compile(r"[\w\-]{6,}={0,2}(?:\.[\w\-]*={0,2}){1,4}")
_SECRET_KEY = re.compile(
    r"(?<![A-Za-z0-9+/=])(?=[^\s]{0,39}[A-Z])(?=[^\s]{0,39}[a-z])[A-Za-z0-9+/]{40}(?![A-Za-z0-9+/=])"
)
# What of base64 is looked into in one text, and in what that holds: pieces, and characters that they hold.
_MAX_PIECES = 64
_MAX_DECODED = 16_384
_MAX_DEPTH = 6

# Grouped as on the card or not at all; not a part of a longer number, id, fraction or UUID.
_CARD = re.compile(
    r"[2-6](?<![\w.].)(?<!\d[ \-].)"
    r"(?:\d{3}([ \-]?)\d{4}\1\d{4}\1\d{4}(?:\1\d{3})?|\d{3}([ \-]?)\d{6}\2\d{4,5}|\d{12,18})"
    r"(?![\w]|[.\-]\d|\-[0-9a-fA-F]{4})"
)
# The first digits that issuers have, by the card's length. Without them a tenth of all ids would pass for cards.
_ISSUERS = {
    13: re.compile("4"),
    14: re.compile("3(?:0[0-5]|[689])"),
    15: re.compile("3[47]"),
    16: re.compile("4|5[1-5]|2(?:22[1-9]|2[3-9]|[3-6]|7[01]|720)|6(?:011|4[4-9]|5|2|0|9|3)|35(?:2[89]|[3-8])|5[06-8]"),
    17: re.compile("62"),
    18: re.compile("62"),
    19: re.compile("4|6(?:2|011|4[4-9]|5)|35(?:2[89]|[3-8])"),
}


class Inside:
    """What has been spent on base64 of one text: however it is nested, all of it together is bounded.

    Were each level bounded alone, 2 kB of packed text could take a minute.
    """

    __slots__ = ("decoded", "depth", "pieces")

    def __init__(self) -> None:
        self.depth = self.pieces = self.decoded = 0


def masked_values(text: str, secrets: Secrets, inside: Inside | None) -> str:
    """The text without what looks like a secret."""
    masked = text
    if "-----BEGIN" in masked:
        masked = _PRIVATE_KEY.sub(rf"\1{MASK}\2", masked)
    masked, found = _TOKEN.subn(MASK, masked)
    if found and ("AKIA" in text or "ASIA" in text):
        masked = without_secret_keys(masked)
    if "hooks.slack.com/" in masked:
        masked = _WEBHOOK.sub(rf"\1{MASK}", masked)
    if "eyJ" in masked or "ewog" in masked or "W3si" in masked or "H4sI" in masked:
        masked = _Encoded(secrets, inside or Inside()).masked(masked)
    return _CARD.sub(_masked_card, masked)


def without_secret_keys(text: str) -> str:
    """Text without what may be an AWS secret key: 40 letters and digits, which are one beside the id of a key."""
    return _SECRET_KEY.sub(MASK, text)


def is_card(digits: str) -> bool:
    """Whether it is the number of a card: by its issuer, its length and its check digit."""
    issuer = _ISSUERS.get(len(digits))
    if issuer is None or issuer.match(digits) is None or len(set(digits)) < 2:
        return False
    total = sum(map(int, digits[-1::-2]))
    for digit in digits[-2::-2]:
        total += int(digit) * 2 if digit < "5" else int(digit) * 2 - 9
    return total % 10 == 0


def _masked_card(found: re.Match[str]) -> str:
    return MASK if is_card(found[0].replace(" ", "").replace("-", "")) else found[0]


class _Encoded:
    """JWTs and JSON in base64 within a text."""

    def __init__(self, secrets: Secrets, inside: Inside) -> None:
        self._secrets = secrets
        self._inside = inside

    def masked(self, text: str) -> str:
        return _ENCODED.sub(self._replacement, text)

    def _replacement(self, found: re.Match[str]) -> str:
        content = found[0]
        if "." in content:
            token, end = _SEGMENTS.match(content), ""
            if token is not None:
                end = content[token.end() :]
                return MASK + end
            content = content.rstrip(".")
        spent = self._inside
        room = _MAX_DECODED - spent.decoded
        spent.pieces += 1
        if spent.depth >= _MAX_DEPTH or spent.pieces > _MAX_PIECES or len(content) > room * 4 // 3:
            return MASK  # looking into it would cost too much
        inside = decoded(content, room)
        if inside is None:
            return MASK if content.startswith("H4sI") else found[0]
        spent.decoded += len(inside.text)
        spent.depth += 1
        shown = self._secrets.masked_text(inside.text, spent)
        spent.depth -= 1
        return found[0] if shown == inside.text else f"[{inside.form}] {shown}"
