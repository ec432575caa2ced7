"""Patterns of strangers are compiled only if that takes little."""

import pytest

from adapterd.formats.patterns import MOST_WRITTEN_OUT, compiled, written_out


@pytest.mark.parametrize(
    "pattern",
    [
        "a{9999999}",
        "a{1,9999999}",
        "((a{100}){100}){100}",
        "(?:a|b{300}){300}",
        "a{" + "9" * 50 + "}",
        "[a-z\\]]{60000}",
        "(?:x){3}{300}{300}",
        "(ab)(?#c){50000}",
        "\\d{99999}",
    ],
)
def test_repeats_that_would_be_written_out_to_very_much_are_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="whose repeats are too many"):
        compiled(pattern, most_letters=1_000)


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("(", "no regular expression"),
        ("(" * 900 + ")" * 900, "no regular expression"),
        ("x" * 2_000, "2000 letters"),
        ("(?x)(a{99}) {99} {99} {99}", "the flag x"),
        ("(?ix:a)", "the flag x"),
    ],
)
def test_so_is_what_is_no_pattern(pattern: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        compiled(pattern, most_letters=1_900)


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", "01234567-89ab-cdef-0123-456789abcdef"),
        ("q_proj", "q_proj"),
        (r"^\p{Lu}{1,64}\{x\}$", "AB{x}"),
        (r"layers\.\d+\.(self_attn|mlp)\..*", "layers.3.mlp.up_proj"),
        ("a{,3}b{2,}", "aabb"),
    ],
)
def test_patterns_that_people_write_are_compiled(pattern: str, text: str) -> None:
    assert compiled(pattern, most_letters=1_000).search(text)
    assert written_out(pattern) < MOST_WRITTEN_OUT / 100
