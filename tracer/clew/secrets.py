"""Which keys name a secret, and whether text may hold one.

Nearly all text holds none, and is told here for a microsecond; what takes a secret out is imported when the first one
turns up.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

MASK = "****"
# Fields whose value names what the value of another is: `{"Name": "password", "Value": "…"}`.
NAMES = frozenset({"Name", "name", "Key", "key", "ParameterKey"})
VALUES = frozenset({"Value", "value", "ParameterValue", "StringValue", "stringValue", "Values", "values"})
_MAX_REMEMBERED = 4096
# Texts that hold no secret, remembered up to this length: half of an event's strings come with every event, and looking
# one up takes 0.05 µs, searching it 0.5 to 2.
MAX_HARMLESS = 64
_MAX_HARMLESS_TEXTS = 2048

# Matched anywhere in the key in lower case without separators: `X-Api-Key` is `xapikey`.
_SECRET = re.compile(
    r"passw|passphrase|passcode|passkey|pass$|^pwd|pwd$|secret|credential|token|authorization|authentication"
    r"|auth$|cookie|key|signature|jwt|bearer|connectionstring|sessionid"
)
# Names that the words above hit, and that name no secret: places in a bucket or table, paging, counts, versions,
# and classes of exceptions, whose message follows.
_HARMLESS = re.compile(
    r"(s3|object|output|input|source|target|destination|partition|sort|hash|range|primary|foreign|index|routing"
    r"|dedup(lication)?|idempotency|group|cache|start|bucket|file|image|media|last|lastevaluated|exclusivestart"
    r"|explicithash|max|unprocessed|processed|cloudformation|record|message|ordering|event|row|map|tag|route|item"
    r"|entity|parent|unique|composite|lookup|metric)*keys?"
    r"|key(count|words?|board|schema|marker|prefix|name|type|usage|conditions?|conditionexpression|path|filter|schemas)"
    r"|\w*keyword\w*|nextkeymarker|maxkeys|keycount|monkey|turkey|hotkeys?|tagkeys"
    r"|(next|continuation|nextcontinuation|pagination|page|nextpage|starting|clientrequest|client|nextforward"
    r"|nextbackward|paging)token"
    r"|((in|out)put|max|min|total|prompt|completion|cached|cachereadinput|cachewriteinput)tokens?(count|details)?"
    r"|token(count|type|use|s?used)|signatureversion|signatureversions"
    r"|\w+(error|exception|warning)"
    r"|xamzsignedheaders|bucketkeyenabled|authorizationtype|authenticationtype|authorizer"
)
_SEPARATORS = re.compile(r"[^a-z0-9]+")
# Text without any of these holds no key that `_SECRET` matches, and no credentials of HTTP. Searched in lower case:
# ignoring case takes nine times as long (6.2 against 0.7 µs for a queue's address).
_HINT = re.compile("pass|pwd|secret|credential|token|auth|cookie|key|signature|jwt|bearer|connection|session|basic ")
# What may be the number of a card. The look behind comes after the first digits, so that the search leaps to those.
_DIGITS = re.compile(r"[2-6]\d{3}(?<![\w.]\d{4})(?:\d{9}|[ -]\d{4}[ -]\d{4}|[ -]\d{6}[ -]\d{4})")
# `%xx`, `&quot;` and `\u00xx`, in which a key may be written.
_ESCAPED = re.compile(r"%[0-9A-Fa-f]{2}|&(?:quot|apos|lt|gt|#)|\\u00")
_USER_INFO = re.compile(
    # Also where the text was cut before the @: what follows a host's colon is its port or no host's.
    r"""(://(?!\[)[^\s/@:"'\\]{0,256}):(?!\d+(?:[^\w@]|$))([^\s/@"'\\]+)"""
)
_MIN_CARD = 13
_MIN_TOKEN = 15


class Secrets:
    """Judges keys by Clew's patterns and the team's own, and masks text.

    `mask_keys` are searched for in the key as it is and add to the defaults; `keep_keys` are exceptions to the
    defaults, never to `mask_keys`. `values` are searched for in text besides the defaults.
    """

    def __init__(
        self,
        mask_keys: Sequence[re.Pattern[str]] = (),
        keep_keys: Sequence[re.Pattern[str]] = (),
        values: Sequence[re.Pattern[str]] = (),
    ) -> None:
        self._mask_keys = tuple(mask_keys)
        self._keep_keys = tuple(keep_keys)
        self.values = tuple(values)
        self._known: dict[str, bool] = {}
        self.harmless: set[str] = set()

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

    def remember(self, text: str) -> None:
        """Note a text of at most `MAX_HARMLESS` characters that holds no secret."""
        if len(self.harmless) >= _MAX_HARMLESS_TEXTS:
            self.harmless.clear()
        self.harmless.add(text)

    def masked_text(self, text: str, depth: int = 0, *, plain: bool = False) -> str:
        """The text without the values of keys that name a secret, without passwords in addresses, and without what
        looks like a secret by itself. The same object if it holds none.

        `depth`: how often it was in base64. `plain`: no escapes are left in it.
        """
        given = text
        if self.values:
            for pattern in self.values:
                text = pattern.sub(_masked_match, text)
        size = len(text)
        if size >= _MIN_CARD and (_DIGITS.search(text) or (size >= _MIN_TOKEN and _may_hold_token(text))):
            from clew.secret_values import masked_values  # noqa: PLC0415  # 2 ms of patterns, rarely needed

            text = masked_values(text, self, depth)
        if (
            "=" in text or ":" in text or " " in text or ">" in text or "," in text
        ) and (self._mask_keys or _HINT.search(text.lower())):  # fmt: skip
            from clew.secret_text import masked_pairs  # noqa: PLC0415  # the same

            text = masked_pairs(text, self)
        if "://" in text:
            text = _USER_INFO.sub(rf"\1:{MASK}", text)
        if not plain and ("%" in text or "&" in text or "\\u" in text) and _ESCAPED.search(text):
            from clew.escaped_text import masked_escapes  # noqa: PLC0415  # the same

            text = masked_escapes(text, self, depth)
        return given if text == given else text


def _masked_match(found: re.Match[str]) -> str:
    return MASK if found[0] else ""  # a pattern may match nothing, anywhere


def _may_hold_token(text: str) -> bool:
    """Whether a token's first letters are in the text: 0.4 µs for an id, where one pattern for all takes 1.5."""
    return (
        "eyJ" in text
        or "AKIA" in text
        or "ASIA" in text
        or "AIza" in text
        or "ewog" in text
        or "W3si" in text
        or "H4sI" in text
        or "IQoJ" in text
        or "FwoG" in text
        or (
            "-" in text
            and (
                "sk-" in text
                or "xox" in text
                or "xapp-" in text
                or "gl" in text
                or "--BEGIN " in text
                or "pypi-" in text
                or "GOCSPX-" in text
            )
        )
        or (
            "_" in text
            and (
                "gh" in text
                or "_pat_" in text
                or "k_live_" in text
                or "k_test_" in text
                or "npm_" in text
                or "whsec_" in text
                or "shp" in text
                or "hf_" in text
            )
        )
        or ("." in text and ("SG." in text or "ya29." in text or "hvs." in text or "hooks.slack" in text))
    )
