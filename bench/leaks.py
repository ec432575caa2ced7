"""Do near-duplicates of evaluation prompts get into training, and is anything taken for one that is none?

Variants of prompts in many languages have to be found, in small sets and in large ones; prompts that were made from 1
to 20 templates ask different things, and must not be.
"""

import random
import time
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from adapterd.chat import Message, Prompt, Role
from adapterd.dataset.leaks.near_duplicates import near_duplicates_of
from bench.leaks_texts import LANGUAGES, Language

WORLDS = (1, 2, 3, 5, 8, 12, 20)
"""So many templates are in each of the worlds in which nothing may be found."""
FILLINGS = 24
"""Prompts of each template that are trained on."""
CASES = 6
"""Prompts of each template that judge."""
SEEDS = 5
SMALL = 12
"""Prompts of a small set."""
Change = Callable[[str, Language], str]


def prompt(text: str) -> Prompt:
    """One question of a user."""
    return (Message(Role.USER, text),)


def _wide(text: str) -> str:
    return "".join(chr(ord(each) + 0xFEE0) if "!" <= each <= "~" else each for each in text)


def _one_letter(text: str, language: Language) -> str:
    """Another letter in the middle of the longest word; of a text without spaces, another character in its middle."""
    words = [each.strip(".,:;") for each in text.split()] if language.spaces else [text]
    longest = max(words, key=len)
    at = len(longest) // 2
    own = longest[at]
    other = next(each for each in longest if each != own and each.isalpha())
    return text.replace(longest, f"{longest[:at]}{other}{longest[at + 1 :]}")


def _one_word(text: str, language: Language) -> str:
    """Another word in the place of one; of a text without spaces, two other characters."""
    if language.spaces:
        words = text.split()
        words[len(words) // 2] = language.nouns[0]
        return " ".join(words)
    return f"{text[: len(text) // 2]}{language.nouns[0][:2]}{text[len(text) // 2 + 2 :]}"


def _end_turned(_: str, language: Language) -> str:
    *front, last_but_one, last = language.sentences
    return _joined((*front, last, last_but_one), language)


def _joined(sentences: Sequence[str], language: Language) -> str:
    return (" " if language.spaces else "").join(sentences)


MARKS: dict[str, Change] = {
    "full stop": lambda text, _: f"{text}.",
    "exclamation mark": lambda text, _: f"{text}!",
    "marks left out": lambda text, _: "".join(each for each in text if unicodedata.category(each)[0] != "P"),
    "white space": lambda text, _: f"  {text.replace(' ', '  ')} \n",
    "quotation marks": lambda text, _: f"«{text}»",
    "capitals": lambda text, _: text.upper(),
    "small letters": lambda text, _: text.lower(),
    "decomposed": lambda text, _: unicodedata.normalize("NFD", text),
    "composed": lambda text, _: unicodedata.normalize("NFKC", text),
    "full width": lambda text, _: _wide(text),
    "variation of an emoji": lambda text, _: f"{text}\ufe0f\u200d",
}
"""Changes of the form alone."""
WORDS: dict[str, Change] = {
    "one letter": _one_letter,
    "something in front": lambda text, _: f"OK: {text}",
    "something behind": lambda text, _: f"{text} OK?",
}
"""Small changes of a sentence."""
ARTICLE: dict[str, Change] = {
    "one word": _one_word,
    "its end turned": _end_turned,
    "one sentence more": lambda text, language: _joined((text, language.sentences[0]), language),
    "one sentence less": lambda _, language: _joined(language.sentences[:-1], language),
}
"""Changes of a whole report."""


def variants(language: Language) -> Iterator[tuple[str, str, str]]:
    """The name of each change, the text, and the text as it is changed."""
    half = len(language.sentences) // 2
    short = [language.templates[0].format(sentence) for sentence in language.sentences[half:]]
    for text in (*language.sentences[:half], *short):
        for name, change in {**MARKS, **WORDS}.items():
            yield name, text, change(text, language)
    article = _joined(language.sentences, language)
    for name, change in {**MARKS, **WORDS, **ARTICLE}.items():
        yield name, article, change(article, language)


def missed(language: Language) -> list[tuple[str, str]]:
    """Variants that are not found: among all others, or where three of one prompt are among the few of a first set."""
    made = list(variants(language))
    texts = list(dict.fromkeys(text for _, text, _ in made))
    found = near_duplicates_of([prompt(changed) for _, _, changed in made], [prompt(text) for text in texts])
    lost = [
        (f"{language.code} {name}", changed) for (name, _, changed), near in zip(made, found, strict=True) if not near
    ]
    others = [prompt(filled(language, number, language.templates[2])) for number in range(SMALL - 4)]
    for text in (texts[0], texts[-1]):
        few = [(name, each) for name, original, each in made if original == text and name in {**WORDS, **ARTICLE}][:3]
        near = near_duplicates_of([*(prompt(each) for _, each in few), *others], [prompt(text)])
        lost += [
            (f"{language.code} {name}, small", each)
            for (name, each), is_near in zip(few, near, strict=False)
            if not is_near
        ]
    return lost + _missed_questions(language)


def _missed_questions(language: Language) -> list[tuple[str, str]]:
    """Prompts of a few characters that are not found among the others when one of their characters is another."""
    lost = list[tuple[str, str]]()
    for text in language.questions:
        others = [prompt(each) for each in language.questions if each != text]
        for at, own in enumerate(text):
            other = next(each for each in "".join(language.questions) if each not in text and each != own)
            changed = f"{text[:at]}{other}{text[at + 1 :]}"
            if not near_duplicates_of([prompt(changed), *others], [prompt(text)])[0]:
                lost.append((f"{language.code} one character", changed))
    return lost


def filled(language: Language, number: int, template: str) -> str:
    """A template with the `number`-th pair of an adjective and a noun in its blank, or with a noun in its first and an
    adjective in its second."""
    noun = language.nouns[number % len(language.nouns)]
    adjective = language.adjectives[(number // len(language.nouns)) % len(language.adjectives)]
    if template.count("{}") == 2:
        return template.format(noun, adjective)
    return template.format(f"{adjective} {noun}" if language.spaces else f"{adjective}{noun}")


def templates_of(language: Language) -> list[str]:
    """Short ones, one with a blank at its beginning, and long ones with two."""
    first, second, *more = language.sentences
    gap = " " if language.spaces else ""
    return [
        *language.templates,
        f"{{}}{gap}- {first}",
        f"{second}{gap}{{}}: {{}}",
        _joined((*more[:2], "{}", *more[2:], "{}"), language),
        _joined((*more, "{}", *reversed(language.sentences)), language),
    ]


def false_hits(templates: int, seed: int, languages: Sequence[Language] = LANGUAGES) -> tuple[int, int]:
    """Of prompts of so many templates, how many are taken for near-duplicates, and how many there are."""
    rng = random.Random(seed)
    known = [(language, text) for language in languages for text in templates_of(language)]
    chosen = rng.sample(known, min(templates, len(known)))
    asked, cases = list[str](), list[str]()
    for language, text in chosen:
        count = len(language.nouns) * len(language.adjectives)
        made = [filled(language, number, text) for number in rng.sample(range(count), FILLINGS + CASES)]
        asked += made[CASES:]
        cases += made[:CASES]
    found = near_duplicates_of([prompt(each) for each in asked], [prompt(each) for each in cases])
    return sum(found), len(asked)


def _share_in(language: Language) -> float:
    """The share of false hits among prompts of one language, in worlds of few templates and of many."""
    found = [false_hits(count, seed, [language]) for count in (1, 3, 5, 7) for seed in range(3)]
    return sum(wrong for wrong, _ in found) / sum(count for _, count in found)


def measure() -> dict[str, Any]:
    """The figures of `leaks`; takes seconds."""
    began = time.monotonic()
    lost = [each for language in LANGUAGES for each in missed(language)]
    worlds = [false_hits(count, seed) for count in WORLDS for seed in range(SEEDS)]
    by_language = {language.code: _share_in(language) for language in LANGUAGES}
    return {
        "languages": len(LANGUAGES),
        "variants": sum(1 for language in LANGUAGES for _ in variants(language)),
        "missed": len(lost),
        "false_hits": round(max(wrong / count for wrong, count in worlds), 4),
        "false_hits_of_one_language": round(max(by_language.values()), 4),
        "seconds": round(time.monotonic() - began, 1),
    }
