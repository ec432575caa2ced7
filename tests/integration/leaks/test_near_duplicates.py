"""Prompts that are nearly the same are found, whatever stands in front of all of them."""

import random
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from adapterd.chat import Message, Prompt, Role
from adapterd.dataset.leaks.near_duplicates import ALIKE, near_duplicates_of
from adapterd.demo.newsroom import items

INSTRUCTION = "Read the article and answer with one JSON object that has the fields topic, people and places. " * 3
WORDS = [f"word{number}" for number in range(2000)]


def prompt(text: str, instruction: str = INSTRUCTION) -> Prompt:
    return Message(Role.SYSTEM, instruction), Message(Role.USER, text)


def article(seed: int, length: int = 60) -> list[str]:
    return random.Random(seed).sample(WORDS, length)


def changed(words: list[str], places: int) -> list[str]:
    """With so many words, far from each other, replaced by others."""
    step = max(1, len(words) // places) if places else len(words) + 1
    return [f"other{at}" if at % step == step // 2 and at // step < places else word for at, word in enumerate(words)]


OTHERS = [prompt(" ".join(article(seed))) for seed in range(100, 130)]


@pytest.mark.parametrize(("places", "found"), [(0, True), (1, True), (2, True), (15, False), (30, False)])
def test_an_article_that_was_changed_a_little_is_nearly_the_same(places: int, found: bool) -> None:
    near = prompt(" ".join(changed(article(1), places)))
    assert near_duplicates_of([near], [*OTHERS, prompt(" ".join(article(1)))]) == [found]


def test_case_and_punctuation_do_not_matter() -> None:
    text = " ".join(article(1))
    assert near_duplicates_of([prompt(text.upper().replace(" ", ", "))], [*OTHERS, prompt(text)]) == [True]


def test_a_long_instruction_that_all_share_makes_none_the_same() -> None:
    mine = [prompt(" ".join(article(seed))) for seed in range(30)]
    assert near_duplicates_of(mine, OTHERS) == [False] * 30


def test_articles_of_the_same_newsroom_are_no_near_duplicates() -> None:
    """They are all built of the same few hundred words."""
    made = [prompt(item.prompt, "") for item in items(340, seed=1)]
    assert sum(near_duplicates_of(made[:300], made[300:])) <= 3


@pytest.mark.parametrize("mark", [".", "?", " !", "…", "。"])
def test_short_prompts_that_differ_by_a_mark_are_nearly_the_same(mark: str) -> None:
    assert near_duplicates_of([prompt(f"who met{mark}", "")], [prompt("who met", "")]) == [True]


@pytest.mark.parametrize(("one", "other"), [("What is 5 + 2?", "What is 5 - 2?"), ("is a < b", "is a > b")])
def test_a_sign_of_a_formula_is_more_than_a_mark(one: str, other: str) -> None:
    assert near_duplicates_of([prompt(one, "")], [prompt(other, "")]) == [False]


def test_nothing_is_among_nothing() -> None:
    assert near_duplicates_of([], OTHERS) == []
    assert near_duplicates_of(OTHERS[:2], []) == [False, False]


# Templates: what was made from one is alike, and yet asks different things.

Fill = Callable[[random.Random, int], list[str]]


def one_word(rng: random.Random, number: int) -> list[str]:
    return [f"n{number}x{rng.randrange(10**6)}"]


def a_name(rng: random.Random, _: int) -> list[str]:
    return [f"{part}{rng.randrange(3000)}" for part in ("first", "last")[: rng.choice((1, 2, 2))]]


def an_article(rng: random.Random, _: int) -> list[str]:
    return [f"a{rng.randrange(8000)}" for _ in range(rng.randrange(30, 90))]


@dataclass(frozen=True)
class Templates:
    """Texts with blanks, some more frequent than others or all as frequent."""

    count: int
    length: int
    fills: tuple[Fill, ...]
    unequal: bool = False
    instruction: int = 0

    def prompts(self, count: int, seed: int = 1) -> list[list[list[str]]]:
        """Each prompt as the pieces it is made of, those in the blanks as one."""
        rng = random.Random(f"{self} {seed}")
        texts = [[f"t{rng.randrange(3000)}" for _ in range(self.length)] for _ in range(self.count)]
        weights = [1 / (number + 1) if self.unequal else 1 for number in range(self.count)]
        step = self.length // (len(self.fills) + 1)
        found = []
        for number in range(count):
            text = rng.choices(texts, weights)[0] if self.unequal else texts[number % self.count]
            pieces = [[word] for word in text]
            for blank, fill in enumerate(self.fills, start=1):
                pieces[blank * step] = fill(rng, number)
            found.append([*([f"i{n}"] for n in range(self.instruction)), *pieces])
        return found


def joined(pieces: list[list[str]]) -> Prompt:
    return prompt(" ".join(word for piece in pieces for word in piece), "")


WORLDS = {
    "short": (12, (one_word, one_word)),
    "one blank": (30, (one_word,)),
    "medium": (45, (one_word, one_word)),
    "long": (200, (one_word, one_word)),
    "names": (60, (a_name, one_word, a_name)),
    "articles": (20, (an_article, one_word)),
}


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("unequal", [False, True])
def test_prompts_made_from_templates_are_no_near_duplicates(world: str, unequal: bool) -> None:
    """Before, of 300 prompts from five templates four were left."""
    for count in (1, 2, 3, 4, 5, 6, 8, 12, 20):
        made = [joined(each) for each in Templates(count, *WORLDS[world], unequal=unequal).prompts(300)]
        assert sum(near_duplicates_of(made[:240], made[240:])) <= 0.01 * 240, count


@pytest.mark.parametrize("instruction", [100, 500])
def test_templates_behind_a_shared_instruction_are_no_near_duplicates(instruction: int) -> None:
    templates = Templates(20, *WORLDS["medium"], unequal=True, instruction=instruction)
    made = [joined(each) for each in templates.prompts(300)]
    assert sum(near_duplicates_of(made[:240], made[240:])) <= 0.01 * 240


@pytest.mark.parametrize("world", ["medium", "long", "names", "articles"])
@pytest.mark.parametrize("count", [1, 5, 20])
def test_a_change_of_one_word_is_found_inside_a_template(world: str, count: int) -> None:
    """The word is one of the template, or in the middle of an article that fills its blank."""
    rng = random.Random(count)
    made = Templates(count, *WORLDS[world], unequal=True).prompts(300)
    twins = [[list(piece) for piece in pieces] for pieces in made[240:]]
    for pieces in twins:
        long = [piece for piece in pieces if len(piece) > 10]
        piece = long[0] if long else rng.choice([piece for piece in pieces if piece[0][0] == "t"])
        piece[len(piece) // 2] = f"other{rng.randrange(10**6)}"
    found = near_duplicates_of([joined(each) for each in twins + made[:240]], [joined(each) for each in made[240:]])
    assert sum(found[:60]) >= 0.95 * 60


def natural(rng: random.Random, length: int) -> list[str]:
    """Words that are as unevenly frequent as those of a language."""
    return rng.choices([f"w{n}" for n in range(8000)], [1 / (n + 2) for n in range(8000)], k=length)


@pytest.mark.parametrize("copies", [1, 2, 6])
@pytest.mark.parametrize("instruction", [0, 100, 500])
def test_a_change_of_one_word_is_found_in_an_article_however_many_versions_there_are(
    copies: int, instruction: int
) -> None:
    rng = random.Random(copies)
    front = [f"i{number}" for number in range(instruction)]
    articles = [natural(rng, 60) for _ in range(40)]
    versions = [list(article) for article in articles for _ in range(copies)]
    for version in versions:
        version[rng.randrange(60)] = f"other{rng.randrange(10**6)}"
    others = [natural(rng, 60) for _ in range(100)]
    made = [prompt(" ".join(front + each), "") for each in versions + others]
    found = near_duplicates_of(made, [prompt(" ".join(front + each), "") for each in articles])
    assert sum(found[: len(versions)]) >= 0.95 * len(versions)
    assert sum(found[len(versions) :]) <= 0.01 * len(others)


CHARACTERS = [chr(0x4E00 + number) for number in range(2500)]


@pytest.mark.parametrize("length", [40, 100, 300])
def test_a_change_of_one_word_is_found_where_no_spaces_are_between_words(length: int) -> None:
    rng = random.Random(length)
    texts = ["".join(rng.choices(CHARACTERS, k=length)) for _ in range(160)]
    changed = [f"{text[: length // 2]}{''.join(rng.sample(CHARACTERS, 2))}{text[length // 2 + 2 :]}" for text in texts]
    asked = [prompt(f"总结：{text}", "") for text in (*changed[:60], *texts[60:])]
    found = near_duplicates_of(asked, [prompt(f"总结：{text}", "") for text in texts[:60]])
    assert sum(found[:60]) >= 0.95 * 60
    assert sum(found[60:]) == 0


def test_every_pair_above_the_threshold_is_found() -> None:
    """An index by MinHash found about half of those just above it."""
    rng = random.Random(1)
    pairs = []
    for _ in range(150):
        text = natural(rng, 120)
        pairs.append((text, [*text[:-16], *(f"z{rng.randrange(10**6)}" for _ in range(16))]))
    alike = [
        len(shingles(one) & shingles(other)) / len(shingles(one) | shingles(other)) >= ALIKE for one, other in pairs
    ]
    found = near_duplicates_of([prompt(" ".join(b), "") for _, b in pairs], [prompt(" ".join(a), "") for a, _ in pairs])
    assert sum(alike) > 100
    assert all(near for near, is_alike in zip(found, alike, strict=True) if is_alike)


def shingles(text: list[str]) -> set[tuple[str, ...]]:
    padded = ["<", "<", *text, ">", ">"]
    return {tuple(padded[at : at + 3]) for at in range(len(padded) - 2)}
