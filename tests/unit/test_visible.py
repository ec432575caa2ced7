"""Texts as they are seen."""

import pytest
import regex

from adapterd.visible import visible, visible_nfc


@pytest.mark.parametrize("text", ["a plain text\r\n\twith lines\f", "hội 漢字 😀 é", ""])
def test_what_is_seen_stays(text: str) -> None:
    assert visible(text) == text


def test_nothing_is_left_of_any_character_that_shows_nothing() -> None:
    for character in map(chr, range(0x110000)):
        if regex.match(r"\p{Cf}|\p{Default_Ignorable_Code_Point}|\p{Cc}", character) and not character.isspace():
            assert visible(f"Ja{character}ne") == "Jane", f"U+{ord(character):04X}"


@pytest.mark.parametrize("blank", ["\N{NO-BREAK SPACE}", "\u2028", "\u2029", "\N{BRAILLE PATTERN BLANK}", "\u3000"])
def test_every_blank_is_a_space(blank: str) -> None:
    assert visible(f"Jane{blank}Doe") == "Jane Doe"


@pytest.mark.parametrize("between", ["", "\N{COMBINING GRAPHEME JOINER}", "\N{SOFT HYPHEN}"])
def test_nothing_that_is_not_seen_keeps_a_mark_from_its_letter(between: str) -> None:
    assert visible_nfc(f"Rene{between}\N{COMBINING ACUTE ACCENT}") == "Ren\N{LATIN SMALL LETTER E WITH ACUTE}"
