"""Documents cut into passages that fit a prompt, by tokens of the served tokenizer."""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from adapterd.chat import Message, Role
from adapterd.dataset.leaks.shingles import words
from adapterd.teachers.documents.reading import Document

FEWEST_CHARACTERS = 80
"""Of a shorter part of a document there is little to ask."""
SHORT_WORD, FEW, RARE, MOST, MOST_USES = 3, 4, 10, 20, 2
"""Words of so few letters say nothing of the subject, nor do those of more than a few passages, unless these are no
more than one in so many, and no more than MOST; a passage is in so many pairs at most."""
_PARAGRAPHS, _SENTENCES = re.compile(r"\n\s*\n"), re.compile(r"(?<=[.!?…。！？])\s+|(?<=[。！？])")


@dataclass(frozen=True)
class Passage:
    """A part of a document; `source_id` is what answers cite."""

    source_id: str
    document: str
    text: str


def passages(document: Document, tokens: Callable[[str], int], most: int) -> Iterator[Passage]:
    """Cut a document where paragraphs end, else where sentences, else words do; no passage has more than `most`
    tokens, as far as single words allow."""
    pieces = list(_joined(_pieces(document.text, tokens, most), tokens, most))
    for number, text in enumerate(pieces, start=1):
        if len(text) >= FEWEST_CHARACTERS or len(pieces) == 1:
            name = document.id if len(pieces) == 1 else f"{document.id}.{number}"
            yield Passage(name, document.id, text)


def _pieces(text: str, tokens: Callable[[str], int], most: int) -> Iterator[tuple[str, str]]:
    """Parts that fit, each with what joins it to the one before."""
    for paragraph in filter(None, (each.strip() for each in _PARAGRAPHS.split(text))):
        if tokens(paragraph) <= most:
            yield "\n\n", paragraph
            continue
        for place, sentence in enumerate(filter(None, _SENTENCES.split(paragraph))):
            first = "\n\n" if place == 0 else " "
            if tokens(sentence) <= most:
                yield first, sentence
                continue
            for number, part in enumerate(_words(sentence, tokens, most)):
                yield " " if number else first, part


def _words(sentence: str, tokens: Callable[[str], int], most: int) -> Iterator[str]:
    """A long sentence in halves until each fits."""
    parts = sentence.split() if " " in sentence else list(sentence)
    if len(parts) < 2 or tokens(sentence) <= most:
        yield sentence
        return
    between = " " if " " in sentence else ""
    middle = len(parts) // 2
    for half in (parts[:middle], parts[middle:]):
        yield from _words(between.join(half), tokens, most)


def _joined(pieces: Iterable[tuple[str, str]], tokens: Callable[[str], int], most: int) -> Iterator[str]:
    text, size = "", 0
    for between, piece in pieces:
        own = tokens(piece)
        if text and size + own + 2 > most:
            yield text
            text, size = "", 0
        text, size = (text + between + piece, size + own + 2) if text else (piece, own)
    if text:
        yield text


def together(all_passages: Iterable[Passage], most: int) -> list[tuple[Passage, Passage]]:
    """Pairs of passages of different documents that belong together: those that share most of their rarer words; at
    most so many, the closest first, and none more than twice."""
    listed = list(all_passages)
    shared = _shared(listed)
    closest = sorted(shared, key=lambda pair: (-shared[pair], pair))
    used, pairs = Counter[int](), list[tuple[Passage, Passage]]()
    for one, other in closest:
        if len(pairs) == most:
            break
        if max(used[one], used[other]) < MOST_USES:
            used.update((one, other))
            pairs.append((listed[one], listed[other]))
    return pairs


def _shared(listed: Sequence[Passage]) -> dict[tuple[int, int], float]:
    """How much passages of different documents have in common, by their places: each word that is in few passages
    counts, the more the fewer these are."""
    having: dict[str, list[int]] = defaultdict(list)
    for place, passage in enumerate(listed):
        for word in {each for each in words((Message(Role.USER, passage.text),)) if len(each) > SHORT_WORD}:
            having[word].append(place)
    found: dict[tuple[int, int], float] = defaultdict(float)
    for places in having.values():
        if len(places) <= max(FEW, min(MOST, len(listed) // RARE)):
            for one, other in combinations(places, 2):
                if listed[one].document != listed[other].document:
                    found[one, other] += 1 / len(places)
    return found
