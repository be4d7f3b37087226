"""Keeps secrets out of what is printed and written: passwords in URLs, signatures, tokens.

Nothing here needs a secret, but an address, an option or an environment may carry one, and every
message shows what it was given. What a terminal or a page would obey is shown, too.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

MASK = "***"

# scheme://user:password@host, also after a path has made one slash of two.
_USER_OF_URL = re.compile(r"(\b[a-z][a-z0-9+.-]+:/{1,2})[^/\s]+@", re.IGNORECASE)
# sig=…, hf_token: …, "token":"…", AWS_SECRET_ACCESS_KEY=…, and ?key=… in an address; not "tokens",
# and no word that only ends alike. What is shorter than a secret is none: mask_token = 103, a
# folder sig=0.1/.
_NAMED = re.compile(
    r"""((?:\b|[_-])(?:sig|signature|token|secret|passw(?:or)?d|credentials?
            |(?:api|access|account|private|secret|storage)[_-]?key)
            (?:["']?(?:\s*=\s*|:\s+)|["']\s*:\s*)["']?
        |[?&]key=)
        [^\s"'&,;\[\]/]{8}[^\s"'&,;\[\]]*""",
    re.IGNORECASE | re.VERBOSE,
)
_AUTHORIZATION = re.compile(
    r"""(\bauthorization["']?\s*[:=]\s*["']?(?:basic|bearer|token)\s+)[^\s"',;]{8,}""",
    re.IGNORECASE,
)
_SECRET_VARIABLE = re.compile("(TOKEN(?!IZ)|SECRET|PASSW|CREDENTIAL|KEY$)(?!.*(FILE|DIR|PATH)$)")
_SHORTEST_SECRET = 8
# All control characters but tab and the end of a line, what ends a line elsewhere or turns its
# direction, and half a character, as of a name in another encoding, which UTF-8 cannot say.
_CONTROL = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
# A name is one word of a sentence; what stands between backticks there is to be typed.
_NO_NAME = re.compile(rf"{_CONTROL.pattern}|[\t\n`]")

Value = TypeVar("Value")


def redacted(value: Value) -> Value:
    """Replaces secrets in a text, or in all texts of a JSON-like value, by `MASK`.

    A secret is the user's part of a URL, what follows a name such as token= or sig= or the header
    Authorization, and the value of an environment variable with such a name.
    """
    found: Any = value
    if isinstance(value, str):
        found = _redacted_text(value)
    elif isinstance(value, Mapping):
        found = {key: redacted(part) for key, part in value.items()}
    elif isinstance(value, Sequence):
        found = [redacted(part) for part in value]
    return found


def visible(text: str) -> str:
    """Shows control characters of a text, so that nothing obeys them; it may have several lines."""
    return _CONTROL.sub(_escape, text)


def as_name(text: str) -> str:
    """The name of a file as a part of a sentence: no secret, one line, no marks of the sentence."""
    return _NO_NAME.sub(_escape, redacted(text))


def _escape(found: re.Match[str]) -> str:
    plain = ascii(found[0])[1:-1]
    return plain if plain.startswith("\\") else f"\\x{ord(plain):02x}"


def is_secret(name: str) -> bool:
    """Whether an environment variable of that name holds a secret."""
    return _SECRET_VARIABLE.search(name.upper()) is not None


def _redacted_text(text: str) -> str:
    for name, secret in os.environ.items():
        is_path = secret.startswith(("/", "~", "."))  # of a file with the secret
        if len(secret) >= _SHORTEST_SECRET and not is_path and is_secret(name):
            text = re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", MASK, text)
    text = _USER_OF_URL.sub(rf"\1{MASK}@", text)
    return _AUTHORIZATION.sub(rf"\1{MASK}", _NAMED.sub(rf"\1{MASK}", text))
