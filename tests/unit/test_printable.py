"""Text from elsewhere: nothing of it acts on a terminal, and nothing of it is lost."""

import json
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from adapterd.printable import json_safe, printable, printable_lines

ANY = st.text(st.characters())
KINDS_THAT_ACT = {"Cc", "Cs", "Zl", "Zp"}


def acts(text: str) -> set[str]:
    """What of it a terminal would obey or not show: by Unicode's own tables, not by ours."""
    return {
        character
        for character in text
        if unicodedata.category(character) in KINDS_THAT_ACT
        or unicodedata.bidirectional(character) in ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")
        or character in "\u200e\u200f\u061c\ufeff"
    }


@given(ANY)
@example("\x1b]52;c;aGFjaw==\x07\x9b2J\u202e\u2067\n\r\x7f\ud800")
def test_nothing_acts(text: str) -> None:
    assert acts(printable(text)) == set()
    assert acts(printable_lines(text)) <= {"\n", "\t"}
    assert acts(json_safe(json.dumps([text], ensure_ascii=False, indent=1))) <= {"\n"}


@given(ANY)
def test_printable_text_can_be_written_in_utf_8(text: str) -> None:
    for shown in (printable(text), printable_lines(text), json_safe(json.dumps(text, ensure_ascii=False))):
        assert shown.encode().decode() == shown


@given(ANY)
@example("\ud800 \U000e0041 \x80")
def test_json_keeps_its_value(text: str) -> None:
    assert json.loads(json_safe(json.dumps({text: text}, ensure_ascii=False))) == {text: text}


@given(st.text(st.sampled_from("aZ09 ü€漢字👩‍🔬नमस्ते שלום مرحبا [/b]\\")))
def test_text_of_people_stays_as_it_is(text: str) -> None:
    assert printable(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [("a\x1b[2Jb", "a\\x1b[2Jb"), ("a\nb\tc", "a\\nb\\tc"), ("\u202e", "\\u202e"), ("\x9b", "\\x9b"), (7, "7")],
)
def test_characters_that_do_not_print_are_shown(text: object, shown: str) -> None:
    assert printable(text) == shown


def test_lines_stay_lines() -> None:
    assert printable_lines("one\r\ntwo\n\tthree\rfour") == "one\ntwo\n\tthree\\rfour"
