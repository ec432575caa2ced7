"""A text as it is seen: characters that show nothing hide no name, no number and no passage."""

import re
import unicodedata

import regex

_NOTHING = regex.compile(r"[\p{Cf}\p{Default_Ignorable_Code_Point}[\p{Cc}--\s]]+", regex.VERSION1)
"""Formats, joiners, fillers, selectors of variants, and control characters that are no white space."""
_BLANK = regex.compile(r"[\p{Zs}\p{Zl}\p{Zp}\N{BRAILLE PATTERN BLANK}]")
"""Spaces of any width, and what looks like one."""
_CONTROL = re.compile(r"[^ -~\s]")


def visible(text: str) -> str:
    """The text without what nobody sees, with a plain space for each blank that is none of ASCII."""
    if text.isascii() and not _CONTROL.search(text):
        return text
    return str(_BLANK.sub(" ", _NOTHING.sub("", text)))


def visible_nfc(text: str) -> str:
    """The same in the form NFC of Unicode. What is not seen goes first, for it keeps marks from their letters."""
    shown = visible(text)
    return shown if shown.isascii() else unicodedata.normalize("NFC", shown)
