"""Text whose keys are written with escapes: `pass%77ord=`, `&quot;password&quot;:`, `\\u0022password\\u0022:`.

Imported when the first of it turns up.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import unquote

if TYPE_CHECKING:
    from clew.secret_values import Inside
    from clew.secrets import Secrets

_MAX_ROUNDS = 4  # of encoding what is encoded
# A blank, where forms are encoded. Elsewhere a plus may be one.
_PLUS = re.compile(r"([:=,])\+")
_ENTITY = re.compile(r"&(?:(quot|apos|lt|gt|amp)|#(\d{1,3})|#[xX]([0-9A-Fa-f]{1,2}));")
_ENTITIES = {"quot": '"', "apos": "'", "lt": "<", "gt": ">", "amp": "&"}
_UNICODE = re.compile(r"\\+u00([0-9A-Fa-f]{2})")


def masked_escapes(text: str, secrets: Secrets, inside: Inside | None) -> str:
    """The text, as it reads without its escapes if a secret shows then; the same object if none does."""
    plain = text
    for _ in range(_MAX_ROUNDS):
        before = plain
        if "%" in plain:
            plain = _PLUS.sub(r"\1 ", unquote(plain, errors="replace"))
        if "&" in plain:
            plain = _without_entities(plain)
        if "\\u00" in plain:
            plain = _without_unicode(plain)
        if plain == before:
            break
    masked = secrets.masked_text(plain, inside, plain=True)
    # What is masked already stays so in `plain`: no difference means that the escapes hid nothing.
    return text if masked == plain else masked


def _without_entities(text: str) -> str:
    return _ENTITY.sub(_entity, text)


def _entity(found: re.Match[str]) -> str:
    name, decimal, hexadecimal = found.groups()
    return _ENTITIES[name] if name else chr(int(decimal or hexadecimal, 10 if decimal else 16))


def _without_unicode(text: str) -> str:
    return _UNICODE.sub(lambda found: chr(int(found[1], 16)), text)
