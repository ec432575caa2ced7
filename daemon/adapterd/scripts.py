"""Scripts that put no spaces between words: there, a word is a character, whoever counts words."""

UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}ー\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{Tibetan}"
"""For a character class of the `regex` library."""
