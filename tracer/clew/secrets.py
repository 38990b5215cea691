"""Which keys name a secret, and whether text may hold one.

Nearly all text holds none, and is told here for a microsecond; what takes a secret out is imported when the first one
turns up.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clew.secret_values import Inside

MASK = "****"
# Fields whose value names what the value of another is: `{"Name": "password", "Value": "…"}`.
NAMES = frozenset({"Name", "name", "Key", "key", "ParameterKey"})
VALUES = frozenset({"Value", "value", "ParameterValue", "StringValue", "stringValue", "Values", "values"})
_MAX_REMEMBERED = 4096
_MAX_KEY = 256
# Texts that hold no secret, remembered up to this length: half of an event's strings come with every event, and looking
# one up takes 0.05 µs, searching it 0.5 to 2.
MAX_HARMLESS = 64
_MAX_HARMLESS_TEXTS = 2048

# The words of keys are told without patterns, which would take 1.1 ms of INIT to compile.
# What a secret's key has in it, in lower case and without separators: `X-Api-Key` is `xapikey`.
_SECRET = (
    "passw", "passphrase", "passcode", "secret", "credential", "token", "authorization", "authentication", "cookie",
    "key", "signature", "jwt", "bearer", "connectionstring", "sessionid",
)  # fmt: skip
_SECRET_ENDS = ("pass", "pwd", "auth")
# Names that the words above hit, and that name no secret: places in a bucket or table, paging, counts, versions,
# and classes of exceptions, whose message follows.
_HARMLESS_ENDS = ("error", "exception", "warning")
_HARMLESS = frozenset({
    "keycount", "keyboard", "keyschema", "keyschemas", "keymarker", "keyprefix", "keyname", "keytype", "keyusage",
    "keycondition", "keyconditions", "keyconditionexpression", "keypath", "keyfilter", "nextkeymarker", "monkey",
    "turkey", "hotkey", "hotkeys", "nexttoken", "continuationtoken", "nextcontinuationtoken", "paginationtoken",
    "pagetoken", "nextpagetoken", "startingtoken", "clientrequesttoken", "clienttoken", "nextforwardtoken",
    "nextbackwardtoken", "pagingtoken", "tokencount", "tokentype", "tokenuse", "tokenused", "tokensused",
    "signatureversion", "signatureversions", "xamzsignedheaders", "bucketkeyenabled", "authorizationtype",
    "authenticationtype", "authorizer",
})  # fmt: skip
# Any of these before `key` or `keys`, also several or none.
_BEFORE_KEY = (
    "s3", "object", "output", "input", "source", "target", "destination", "partition", "sort", "hash", "range",
    "primary", "foreign", "index", "routing", "dedup", "deduplication", "idempotency", "group", "cache", "start",
    "bucket", "file", "image", "media", "last", "lastevaluated", "exclusivestart", "explicithash", "max",
    "unprocessed", "processed", "cloudformation", "record", "message", "ordering", "event", "row", "map", "tag",
    "route", "item", "entity", "parent", "unique", "composite", "lookup", "metric",
)  # fmt: skip
# Any of these before `token` or `tokens`, with or without `count` or `details` behind it.
_BEFORE_TOKENS = frozenset({
    "input", "output", "max", "min", "total", "prompt", "completion", "cached", "cachereadinput", "cachewriteinput",
})  # fmt: skip
_SEPARATORS = re.compile(r"[^a-z0-9]+")
# What may be the number of a card. The look behind comes after the first digits, so that the search leaps to those.
_DIGITS = re.compile(r"[2-6]\d{3}(?<![\w.]\d{4})(?:\d{9}|[ -]\d{4}[ -]\d{4}|[ -]\d{6}[ -]\d{4})")
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
        self.known: dict[str, bool] = {}
        self.harmless: set[str] = set()

    def named_by(self, key: str) -> bool:
        """Whether the value under `key` is to be masked. A key is judged once: the same few come again and again."""
        known = self.known.get(key)
        if known is None:
            known = self._judge(key)
            # Not a long one: whoever may send the function JSON could fill its memory with them.
            if len(self.known) < _MAX_REMEMBERED and len(key) <= _MAX_KEY:
                self.known[key] = known
        return known

    def _judge(self, key: str) -> bool:
        if len(key) > _MAX_KEY:
            return True  # no name of a field; what it is cannot be told cheaply
        if any(pattern.search(key) for pattern in self._mask_keys):
            return True
        if any(pattern.search(key) for pattern in self._keep_keys):
            return False
        plain = _SEPARATORS.sub("", key.lower())
        return _may_name_secret(plain) and not _is_harmless(plain)

    def remember(self, text: str) -> None:
        """Note a text of at most `MAX_HARMLESS` characters that holds no secret."""
        if len(self.harmless) >= _MAX_HARMLESS_TEXTS:
            self.harmless.clear()
        self.harmless.add(text)

    def masked_text(self, text: str, inside: Inside | None = None, *, plain: bool = False) -> str:
        """The text without the values of keys that name a secret, without passwords in addresses, and without what
        looks like a secret by itself. The same object if it holds none.

        `inside`: of what was in base64, what that has cost. `plain`: no escapes are left in it.
        """
        given = text
        if self.values:
            for pattern in self.values:
                text = pattern.sub(_masked_match, text)
        size = len(text)
        if size >= _MIN_CARD and (_DIGITS.search(text) or (size >= _MIN_TOKEN and _may_hold_token(text))):
            from clew.secret_values import masked_values  # noqa: PLC0415  # 2 ms of patterns, rarely needed

            text = masked_values(text, self, inside)
        if (
            "=" in text or ":" in text or " " in text or ">" in text or "," in text
        ) and (self._mask_keys or _may_hold_key(text.lower())):  # fmt: skip
            from clew.secret_text import masked_pairs  # noqa: PLC0415  # the same

            text = masked_pairs(text, self)
        if "://" in text and ":" in text.partition("://")[2]:
            text = _user_info().sub(rf"\1:{MASK}", text)
        if not plain and ("%" in text or "&" in text or "\\u" in text) and _escaped().search(text):
            from clew.escaped_text import masked_escapes  # noqa: PLC0415  # the same

            text = masked_escapes(text, self, inside)
        return given if text == given else text


@cache
def _escaped() -> re.Pattern[str]:
    """`%xx`, `&quot;` and `\\u00xx`, in which a key may be written."""
    return re.compile(r"%[0-9A-Fa-f]{2}|&(?:quot|apos|lt|gt|#)|\\u00")


@cache
def _user_info() -> re.Pattern[str]:
    """A password in an address.

    Also where the text was cut before the @: what follows a host's colon is its port or no host's.
    """
    return re.compile(r"""(://(?!\[)[^\s/@:"'\\]{0,256}):(?!\d+(?:[^\w@]|$))([^\s/@"'\\]+)""")


def _masked_match(found: re.Match[str]) -> str:
    return MASK if found[0] else ""  # a pattern may match nothing, anywhere


def _may_name_secret(plain: str) -> bool:
    """Whether a secret's word is in a key, given in lower case without separators."""
    for word in _SECRET:
        if word in plain:
            return True
    return plain.startswith("pwd") or plain.endswith(_SECRET_ENDS)


def _is_harmless(plain: str) -> bool:
    """Whether a key in which there is such a word names no secret all the same."""
    if plain in _HARMLESS or "keyword" in plain or (plain.endswith(_HARMLESS_ENDS) and plain not in _HARMLESS_ENDS):
        return True
    words, _, rest = plain.rpartition("key")
    if rest in {"", "s"} and _before_key(words):
        return True
    words, _, rest = plain.partition("token")
    return words in _BEFORE_TOKENS and rest in {"", "s", "count", "scount", "details", "sdetails"}


def _before_key(words: str) -> bool:
    """Whether these are words of `_BEFORE_KEY`, one after the other. Some begin alike, so each end is tried."""
    ends = {0}
    for start in range(len(words)):
        if start in ends and words.startswith(_BEFORE_KEY, start):
            ends.update(start + len(word) for word in _BEFORE_KEY if words.startswith(word, start))
    return len(words) in ends


def _may_hold_key(text: str) -> bool:
    """Whether text in lower case may hold a key that names a secret, or credentials of HTTP.

    0.4 µs for a queue's address; one pattern for all takes 0.7, and one that ignores case 6.2.
    """
    return (
        "key" in text
        or "token" in text
        or "secret" in text
        or "pass" in text
        or "auth" in text
        or "pwd" in text
        or "cookie" in text
        or "session" in text
        or "credential" in text
        or "connection" in text
        or "signature" in text
        or "jwt" in text
        or "bearer" in text
        or "basic " in text
    )


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
