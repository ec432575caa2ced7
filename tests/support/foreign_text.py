"""Text that somebody may have written so that it acts where it is shown, and what a terminal would obey of it."""

import re
import unicodedata

HOSTILE = (
    "\x1b]0;title\x1b\\ \x1b[2J \x1b]52;c;aGFjaw==\x07",
    "\x1b]8;;https://evil.example/x\x1b\\docs\x1b]8;;\x1b\\",
    "\x9b2J \x9d0;title\x9c \x90q\x9c",
    "one\r\ntwo\nerror: fake\x85three\u2028four",
    "\u202egpj.exe \u2066\u2067\u200f",
    r"what about \[/b] arrays",
    r"[/] [/b] \[link=https://evil.example/x]docs\[/link] [bold red]x",
    "\x08\x08\x08 backspaces \x7f",
    "half \ud800 of a pair, a raw byte \udc9b",
)
_STYLE = re.compile(r"\x1b\[[0-9;]*m")
"""What our own colours are: they change how later text looks, and nothing else."""


def acts(shown: str) -> set[str]:
    """The characters that a terminal would obey or not show; line ends, tabs and our own styles aside."""
    return {
        character
        for character in _STYLE.sub("", shown)
        if character not in "\n\t"
        and (
            unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp")
            or unicodedata.bidirectional(character) in ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")
            or character in "\u200e\u200f\u061c\ufeff"
        )
    }
