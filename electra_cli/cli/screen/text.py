"""Text of any origin, made fit to be shown: no secrets, no control characters, known widths.

Widths are cells of a terminal, in which a character takes none, one or two.
"""

from __future__ import annotations

import re
from textwrap import TextWrapper

from rich.cells import cell_len

from electra_cli.files.redaction import redacted, visible

# Lines after the first are indented: no name or value can begin one, and look like a message.
_FLUSH_LEFT = re.compile(r"\n(?! )")
_BREAK = re.compile(r"\s*[\n\t]\s*")
_FILLER = "\0"  # stands for the second cell of a wide character; `printable` text has none
# What messages and tables hold besides ASCII, for terminals that cannot draw it.
_ASCII = str.maketrans(
    {"…": "...", "–": "-", "—": "-", "→": "->", "×": "x", "±": "+-", "·": "-", "█": "#"}
)

width_of = cell_len


def printable(text: str) -> str:
    """Text of any origin as one message: no secrets, control characters shown, not obeyed.

    Lines after the first are indented.
    """
    return _FLUSH_LEFT.sub("\n  ", visible(redacted(text)))


def one_line(text: str) -> str:
    """`printable` text without ends of lines."""
    return _BREAK.sub(" ", printable(text))


def encodable(text: str, encoding: str, *, draws: bool) -> str:
    """Text as it will look in an encoding, so that its width is known before it is written.

    Args:
      text: What is shown.
      encoding: That of the stream.
      draws: Whether what is on the other side draws more than ASCII.
    """
    if not draws:
        text = text.translate(_ASCII)
    return text.encode(encoding, "backslashreplace").decode(encoding)


def wrapped(text: str, width: int) -> str:
    """`printable` text in lines of at most `width` that end between words.

    A longer word, such as a path, stays whole. Lines after the first are indented.
    """
    fill = TextWrapper(
        max(20, width),
        subsequent_indent="  ",
        break_long_words=False,
        break_on_hyphens=False,
        replace_whitespace=False,
    ).fill
    wide = "".join(c + _FILLER * (width_of(c) - 1) for c in text)
    return "\n".join(map(fill, wide.split("\n"))).replace(_FILLER, "")


def shortened(text: str, room: int, ellipsis: str) -> str:
    """The end of a text that is too wide, after an ellipsis; no number in it is cut."""
    if width_of(text) <= room:
        return text
    begin = 0
    while begin < len(text) and width_of(ellipsis + text[begin:]) > room:
        begin += 1
    is_in_number = text[begin - 1].isdigit() or text[begin - 1] in ".,"
    return ellipsis + (text[begin:].lstrip("0123456789.,") if is_in_number else text[begin:])
