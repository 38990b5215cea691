"""Which keys name a secret, and how a secret is taken out of text."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

MASK = "****"
# Fields whose value names what the value of another is: `{"Name": "password", "Value": "…"}`.
NAMES = ("Name", "name", "Key", "key", "ParameterKey")
VALUES = ("Value", "value", "ParameterValue", "StringValue", "stringValue")
_MAX_REMEMBERED = 4096

# Matched anywhere in the key in lower case without separators: `X-Api-Key` is `xapikey`.
_SECRET = re.compile(
    r"passw|passphrase|passcode|passkey|pass$|^pwd|pwd$|secret|credential|token|authorization|authentication"
    r"|cookie|key|signature|jwt|bearer|connectionstring|sessionid"
)
# Names that the words above hit, and that name no secret: places in a bucket or table, paging, counts, versions.
_HARMLESS = re.compile(
    r"(s3|object|output|input|source|target|destination|partition|sort|hash|range|primary|foreign|index|routing"
    r"|dedup(lication)?|idempotency|group|cache|start|bucket|file|image|media|last|lastevaluated|exclusivestart"
    r"|explicithash|max|unprocessed|processed|cloudformation|record|message|ordering|event|row|map|tag)*keys?"
    r"|key(count|words?|board|schema|marker|prefix|name|type|usage|conditions?|conditionexpression|path|filter|schemas)"
    r"|\w*keyword\w*|nextkeymarker|maxkeys|keycount|monkey|turkey|hotkeys?|tagkeys"
    r"|(next|continuation|nextcontinuation|pagination|page|nextpage|starting|clientrequest|client|nextforward"
    r"|nextbackward|paging)token"
    r"|((in|out)put|max|min|total|prompt|completion|cached|cachereadinput|cachewriteinput)tokens?(count|details)?"
    r"|token(count|type|use|s?used)|signatureversion|signatureversions"
    r"|xamzsignedheaders|bucketkeyenabled|authorizationtype|authenticationtype|authorizer"
)
# Text without any of these holds no key that `_SECRET` matches. Searched in lower case: ignoring case takes nine times
# as long (6.2 against 0.7 µs for a queue's address).
_HINT = re.compile("pass|pwd|secret|credential|token|auth|cookie|key|signature|jwt|bearer|connection|session")
_SEPARATORS = re.compile(r"[^a-z0-9]+")

# `key=value`, `"key": "value"` and `'key': 'value'`, their quotes escaped where JSON is inside JSON.
_KEY = re.compile(r"""([A-Za-z_][\w.\-\[\]]{0,127})\\*["']?\s*[:=]\s*""")
_VALUE = re.compile(
    r"""\\*"(?:[^"\\]|\\.)*"?|\\*'(?:[^'\\]|\\.)*'?|(?:(?i:bearer|basic|digest)\s+)?[^\s,;&}\])"']+""", re.DOTALL
)
# Also where the text was cut before the @: what follows a host's colon is its port or no host's.
_USER_INFO = re.compile(r"""(?<=://)(?!\[)([^\s/@:"'\\]*):(?!\d+(?:[^\w@]|$))([^\s/@"'\\]+)""")


class Secrets:
    """Judges keys by Clew's patterns and the team's own.

    `mask_keys` are searched for in the key as it is and add to the defaults; `keep_keys` are exceptions to the
    defaults, never to `mask_keys`.
    """

    def __init__(self, mask_keys: Sequence[re.Pattern[str]] = (), keep_keys: Sequence[re.Pattern[str]] = ()) -> None:
        self._mask_keys = tuple(mask_keys)
        self._keep_keys = tuple(keep_keys)
        self._known: dict[str, bool] = {}

    def named_by(self, key: str) -> bool:
        """Whether the value under `key` is to be masked. A key is judged once: the same few come again and again."""
        known = self._known.get(key)
        if known is None:
            known = self._judge(key)
            if len(self._known) < _MAX_REMEMBERED:
                self._known[key] = known
        return known

    def _judge(self, key: str) -> bool:
        if len(key) > 256:
            return True  # no name of a field; what it is cannot be told cheaply
        if any(pattern.search(key) for pattern in self._mask_keys):
            return True
        if any(pattern.search(key) for pattern in self._keep_keys):
            return False
        plain = _SEPARATORS.sub("", key.lower())
        return _SECRET.search(plain) is not None and _HARMLESS.fullmatch(plain) is None

    def masked_text(self, text: str) -> str:
        """The text without the values of `key=value` and `key: value` pairs, and without passwords in addresses."""
        if ("=" in text or ":" in text) and (self._mask_keys or _HINT.search(text.lower())):
            text = self._masked_assignments(text)
        if "://" in text:
            text = _USER_INFO.sub(rf"\1:{MASK}", text)
        return text

    def _masked_assignments(self, text: str) -> str:
        parts = []
        shown = position = 0
        named = False
        while (found := _KEY.search(text, position)) is not None:
            position = found.end()  # what follows a harmless key may hold a secret one
            key = found[1]
            if not self.named_by(key) and not (named and key in VALUES):
                name = _VALUE.match(text, position) if key in NAMES else None
                named = named or (name is not None and self.named_by(name[0].strip("\\\"'")))
                continue
            parts += [text[shown:position], MASK]
            if text[position : position + 1] in {"{", "["}:
                return "".join(parts)  # where it ends cannot be told: this is no JSON
            value = _VALUE.match(text, position)
            shown = position = value.end() if value is not None else position
        return "".join([*parts, text[shown:]]) if parts else text
