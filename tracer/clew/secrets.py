"""Which keys name a secret, and how a secret is taken out of text."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

MASK = "****"
# Fields whose value names what the value of another is: `{"Name": "password", "Value": "…"}`.
NAMES = ("Name", "name", "Key", "key", "ParameterKey")
VALUES = ("Value", "value", "ParameterValue", "StringValue", "stringValue", "Values", "values")
_MAX_REMEMBERED = 4096

# Matched anywhere in the key in lower case without separators: `X-Api-Key` is `xapikey`.
_SECRET = re.compile(
    r"passw|passphrase|passcode|passkey|pass$|^pwd|pwd$|secret|credential|token|authorization|authentication"
    r"|auth$|cookie|key|signature|jwt|bearer|connectionstring|sessionid"
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

# `key=value`, `key => value`, `"key": "value"` and `'key': 'value'`, their quotes escaped where JSON is inside JSON.
# Looked for only where a word begins: one without a separator behind it is read once, however long it is, so that a
# line of 16,000 letters takes 2 ms and not 90.
_KEY = re.compile(r"""(?<![\w.\-\[\]])([\w.\-\[\]]+)(\\*["'])?\s*(?:=>|[:=])\s*""")
_MAX_KEY = 128
_MAX_NAME = 256  # of a secret, that stands as a value
# Keys of several words: those in quotes are taken whole, of others those whose last word says nothing by itself.
_QUOTED_KEY = re.compile(r"""["']([\w .\-/]{1,128})\Z""")
_LAST_WORDS = frozenset({"key", "keys", "id", "phrase", "word", "code", "string"})
_WORDS_BEFORE = (
    "api", "secret", "access", "private", "encryption", "signing", "master", "shared", "session", "auth", "ssh", "pass",
    "connection", "key",
)  # fmt: skip
_WORDS = re.compile(rf"(?:\b(?:{'|'.join(_WORDS_BEFORE)})[ ]){{1,3}}\w+\Z", re.IGNORECASE)
_STRING = r"""[A-Za-z]{0,2}\\*"(?:[^"\\]|\\.)*"?|[A-Za-z]{0,2}\\*'(?:[^'\\]|\\.)*'?"""
_VALUE = re.compile(
    # A string with or without a prefix as in `b'…'`, a call as in `bytearray(b'…')`, or what ends with the word.
    rf"""{_STRING}|[A-Za-z_][\w.]{{0,31}}\((?:{_STRING}|[^)"'])*\)?|(?:(?i:bearer|basic|digest)\s+)?[^\s,;&}}\])"']+""",
    re.DOTALL,
)
# Headers whose value has blanks and semicolons in it end with their line.
_HEADER = re.compile(r"(?:authorization|cookie)\Z", re.IGNORECASE)
_HEADER_VALUE = re.compile(rf"{_STRING}|[^\r\n]+", re.DOTALL)
_ELEMENT = re.compile(r"<([\w:.\-]+)((?:\s[^<>]*)?>)(<!\[CDATA\[.*?(?:\]\]>|\Z)|[^<]+)", re.DOTALL)
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
        """The text without the values of `key=value` and `key: value` pairs, of elements of XML, and without passwords
        in addresses.
        """
        if ("=" in text or ":" in text or ">" in text) and (self._mask_keys or _HINT.search(text.lower())):
            if ">" in text:
                text = _ELEMENT.sub(self._masked_element, text)
            text = self._masked_assignments(text)
        if "://" in text:
            text = _USER_INFO.sub(rf"\1:{MASK}", text)
        return text

    def _masked_element(self, found: re.Match[str]) -> str:
        return f"<{found[1]}{found[2]}{MASK}" if self.named_by(found[1][-_MAX_KEY:]) else found[0]

    def _masked_assignments(self, text: str) -> str:
        parts = []
        shown = position = 0
        named = False
        while (found := _KEY.search(text, position)) is not None:
            position = found.end()  # what follows a harmless key may hold a secret one
            key = found[1][-_MAX_KEY:]
            if not self.named_by(key) and not self._named_by_words(text, found) and not (named and key in VALUES):
                name = _VALUE.match(text, position, position + _MAX_NAME) if key in NAMES else None
                named = named or (name is not None and self.named_by(name[0].strip("\\\"'")))
                continue
            parts += [text[shown:position], MASK]
            if text[position : position + 1] in {"{", "[", "("}:
                return "".join(parts)  # where it ends cannot be told: this is no JSON
            value = (_HEADER_VALUE if _HEADER.search(key) else _VALUE).match(text, position)
            shown = position = value.end() if value is not None else position
        return "".join([*parts, text[shown:]]) if parts else text

    def _named_by_words(self, text: str, found: re.Match[str]) -> bool:
        """Whether the key and the words before it name a secret together: `secret access key: …`, `"API Key": …`."""
        start, end = found.span(1)
        if text[start - 1 : start] != " " or end - start > _MAX_KEY:
            return False
        if found[2]:
            words = _QUOTED_KEY.search(text, max(0, start - _MAX_KEY), end)
            return words is not None and self.named_by(words[1])
        # The second look is for speed: most keys end here, which takes 4 µs less than the pattern.
        if found[1].lower() not in _LAST_WORDS or not text[max(0, start - 16) : start - 1].lower().endswith(
            _WORDS_BEFORE
        ):
            return False
        words = _WORDS.search(text, max(0, start - 64), end)
        return words is not None and self.named_by(words[0])
