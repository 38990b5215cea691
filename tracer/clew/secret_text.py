"""Takes the values of keys that name a secret out of text: pairs, elements of XML, options of commands, lists of two.

Imported when the first text turns up that may hold one.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from clew.secrets import MASK, NAMES, VALUES

if TYPE_CHECKING:
    from clew.secrets import Secrets

# `key=value`, `key => value`, `"key": "value"` and `'key': 'value'`, their quotes escaped where JSON is inside JSON.
# Looked for only where a word begins: one without a separator behind it is read once, however long it is, so that a
# line of 16,000 letters takes 2 ms and not 90.
_KEY = re.compile(r"""(?<![\w.\-\[\]])([\w.\-\[\]]+)(\\*["'])?\s*(?:=>|[:=])\s*""")
_MAX_KEY = 128
_MAX_KEYS = 1000  # of one text: each takes 1 to 3 µs. What is behind the last one is masked
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
# The name of a secret that stands as a value; long ones are none.
_NAME = re.compile(r"""[\\"']{0,8}([\w .\-]{1,64})(?![\w .\-])""")
# Headers whose value has blanks and semicolons in it end with their line, and so does a phrase.
_LINE = re.compile(r"(?:authorization|cookie|passphrase)\Z", re.IGNORECASE)
_LINE_VALUE = re.compile(rf"{_STRING}|[^\r\n]+", re.DOTALL)
_ELEMENT = re.compile(r"<([\w:.\-]+)((?:\s[^<>]*)?>)(<!\[CDATA\[.*?(?:\]\]>|\Z)|[^<]+)", re.DOTALL)
# `--password x`, and the same as a list: `["--password", "x"]`.
_OPTION = re.compile(r"(?<![\w\-])-{1,2}([A-Za-z][\w.\-]{0,127})[ \t]+(?![\s\-])")
# `["password", "x"]` and `(b'password', b'x')`.
_ITEM = re.compile(r"""(?:[\[(]\s*[bu]?\\*["']|["']-{1,2})([\w .\-/]{1,128})\\*["']\s*,\s*""")
_CREDENTIALS = re.compile(r"\b(bearer|basic)(\s{1,8}|\+|:)([\w\-.~+/]{8,}=*)", re.IGNORECASE)
# A field of a form that came in parts; its name is a header of its part. Also as Python or JSON writes newlines.
_NEWLINE = r"(?:\r?\n|(?:\\r)?\\n)"
_PART = re.compile(
    rf"""(form-data;[^\r\n\\]{{0,200}}?\bname=\\*["']?([^"'\\;\r\n]{{1,128}})[^\r\n]{{0,300}}?{_NEWLINE}"""
    rf"""(?:[^\r\n\\]{{1,300}}{_NEWLINE}){{0,8}}{_NEWLINE}).*?(?={_NEWLINE}--|\Z)""",
    re.IGNORECASE | re.DOTALL,
)
_PLAIN_WORD = re.compile(r"[A-Za-z]?[a-z]{0,19}|[A-Z]{1,19}")


def masked_pairs(text: str, secrets: Secrets) -> str:
    """The text without the values whose keys name a secret."""
    if ">" in text:
        text = _ELEMENT.sub(lambda found: _masked_element(found, secrets), text)
    if "form-data" in text:
        text = _PART.sub(lambda found: f"{found[1]}{MASK}" if secrets.named_by(found[2]) else found[0], text)
    if "=" in text or ":" in text:
        text = _Pairs(secrets).masked(text)
    if "-" in text and " " in text:
        text = _masked_after(_OPTION, text, secrets)
    if "," in text and ("'" in text or '"' in text):
        text = _masked_after(_ITEM, text, secrets)
    return _CREDENTIALS.sub(_masked_credentials, text)


def _masked_element(found: re.Match[str], secrets: Secrets) -> str:
    return f"<{found[1]}{found[2]}{MASK}" if secrets.named_by(found[1][-_MAX_KEY:]) else found[0]


def _masked_credentials(found: re.Match[str]) -> str:
    """`Bearer authentication` is no token: one has digits or capitals in it, or is long."""
    return found[0] if _PLAIN_WORD.fullmatch(found[3]) else f"{found[1]}{found[2]}{MASK}"


def _masked_after(pattern: re.Pattern[str], text: str, secrets: Secrets) -> str:
    """The text without the value behind each match of `pattern` whose first group names a secret."""
    parts = []
    shown = position = 0
    while (found := pattern.search(text, position)) is not None:
        position = found.end()
        if not secrets.named_by(found[1]):
            continue
        parts += [text[shown:position], MASK]
        if text[position : position + 1] in {"{", "[", "("}:
            return "".join(parts)
        value = _VALUE.match(text, position)
        shown = position = value.end() if value is not None else position
    return "".join([*parts, text[shown:]]) if parts else text


class _Pairs:
    """Keys with `=` or `:` behind them."""

    def __init__(self, secrets: Secrets) -> None:
        self._named_by = secrets.named_by

    def masked(self, text: str) -> str:
        parts: list[str] = []
        shown = position = count = 0
        named = False
        search, named_by = _KEY.search, self._named_by
        while (found := search(text, position)) is not None:
            position = found.end()  # what follows a harmless key may hold a secret one
            count += 1
            if count > _MAX_KEYS:
                return "".join([*parts, text[shown:position], MASK])
            key = found[1]
            if len(key) > _MAX_KEY:
                key = key[-_MAX_KEY:]
            start = found.start()
            if (
                not named_by(key)
                and not (start > 0 and text[start - 1] == " " and self._named_by_words(text, found))
                and not (named and key in VALUES)
            ):
                if not named and key in NAMES:
                    name = _NAME.match(text, position)
                    named = name is not None and named_by(name[1])
                continue
            parts += [text[shown:position], MASK]
            if text[position : position + 1] in {"{", "[", "("}:
                return "".join(parts)  # where it ends cannot be told: this is no JSON
            value = (_LINE_VALUE if _LINE.search(key) else _VALUE).match(text, position)
            shown = position = value.end() if value is not None else position
        return "".join([*parts, text[shown:]]) if parts else text

    def _named_by_words(self, text: str, found: re.Match[str]) -> bool:
        """Whether the key and the words before it name a secret together: `secret access key: …`, `"API Key": …`."""
        start, end = found.span(1)
        if end - start > _MAX_KEY:
            return False
        if found[2]:
            words = _QUOTED_KEY.search(text, max(0, start - _MAX_KEY), end)
            return words is not None and self._named_by(words[1])
        # The second look is for speed: most keys end here, which takes 4 µs less than the pattern.
        if found[1].lower() not in _LAST_WORDS or not text[max(0, start - 16) : start - 1].lower().endswith(
            _WORDS_BEFORE
        ):
            return False
        words = _WORDS.search(text, max(0, start - 64), end)
        return words is not None and self._named_by(words[0])
