"""Synthetic news, the JSON that should be extracted from it, and the feedback of an application.

It stands in for real feedback in the demo and in tests, so that anyone can try the whole product without data of their
own. Everything follows from a seed; every value of an answer stands word for word in its text.
"""

import hashlib
import json
import os
import random
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from pathlib import Path
from typing import Any

from adapterd.demo import newsroom_words as words
from adapterd.home import make_private
from adapterd.system.files import write_atomic

INSTRUCTION = "Extract the news as JSON with keys type, companies, city, amount."
LEAD_SHARE = 0.2
REMARK_SHARE = 0.5
BATCH_DAYS = 5
DUPLICATES = 4

Facts = Mapping[str, Any]
Record = dict[str, Any]


@dataclass(frozen=True)
class NewsItem:
    """A prompt and its right answer; `source_id` names the article, and equal texts have equal ones."""

    prompt: str
    answer: str
    source_id: str


@dataclass(frozen=True)
class WrittenFeedback:
    """What was put into an inbox; `lines` counts non-blank lines and array elements of all files."""

    files: tuple[Path, ...]
    lines: int
    duplicates: int
    broken: int

    @property
    def records(self) -> int:
        """How many distinct usable records there are."""
        return self.lines - self.duplicates - self.broken


class FeedbackKind(Enum):
    """What a feedback record says about an output; a demonstration has none."""

    CORRECTED = auto()
    GOOD = auto()
    LOW = auto()
    DEMONSTRATION = auto()


SHARES = {FeedbackKind.GOOD: 0.25, FeedbackKind.LOW: 0.08, FeedbackKind.DEMONSTRATION: 0.12}
"""Of the records; all others are corrected."""


def schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) that every right answer satisfies."""
    name = {"type": "string", "minLength": 1}
    properties = {
        "type": {"enum": list(words.TEMPLATES)},
        "companies": {"type": "array", "items": name, "minItems": 2, "maxItems": 2, "uniqueItems": True},
        "city": name,
        "amount": {"type": "integer", "minimum": 0},
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def items(count: int, seed: int) -> list[NewsItem]:
    """News with distinct prompts; a longer list of the same seed begins with the shorter one.

    There are over 10^14 possible texts, so that for all practical purposes two seeds have no prompt in common.
    """
    rng = _generator("news", seed)
    found: dict[str, NewsItem] = {}
    while len(found) < count:
        item = _item(rng)
        found.setdefault(item.prompt, item)
    return list(found.values())


def _generator(purpose: str, seed: int) -> random.Random:
    return random.Random(f"{purpose} {seed}")  # noqa: S311 - repeatable on purpose; nothing here is a secret


def _item(rng: random.Random) -> NewsItem:
    kind = rng.choice(list(words.TEMPLATES))
    one, two = (_company(first, rng) for first in rng.sample(words.FIRST_PARTS, 2))
    facts = {"type": kind, "companies": [one, two], "city": rng.choice(words.CITIES), "amount": rng.randint(2, 990)}
    text = _text(facts, rng)
    digest = hashlib.sha256(text.encode()).hexdigest()
    return NewsItem(f"{INSTRUCTION}\n{text}", _dumps(facts), f"news-{digest[:12]}")


def _company(first: str, rng: random.Random) -> str:
    return f"{first} {rng.choice(words.SECOND_PARTS)}"


def _text(facts: Facts, rng: random.Random) -> str:
    one, two = facts["companies"]
    moment = rng.choice(words.MOMENTS)
    sentence = rng.choice(words.TEMPLATES[facts["type"]]).format(
        one=one,
        two=two,
        city=facts["city"],
        amount=facts["amount"],
        when=moment,
        When=moment[0].upper() + moment[1:],
        gadget=rng.choice(words.GADGETS),
    )
    return _dressed(sentence, rng)


def _dressed(sentence: str, rng: random.Random) -> str:
    """The sentence with a lead before it, or a remark behind it, or bare."""
    chance = rng.random()
    if chance < LEAD_SHARE:
        return rng.choice(words.LEADS) + sentence
    return f"{sentence} {_remark(rng)}" if chance < LEAD_SHARE + REMARK_SHARE else sentence


def _remark(rng: random.Random) -> str:
    person = f"{rng.choice(words.FIRST_NAMES)} {rng.choice(words.LAST_NAMES)}"
    return rng.choice(words.REMARKS).format(person=person, year=rng.randint(2015, 2023))


def _dumps(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _prose(facts: Facts, _: random.Random) -> str:
    one, two = facts["companies"]
    return f"This is {facts['type']} news from {facts['city']}: {one} and {two}; the amount is {facts['amount']}."


def _without_a_company(facts: Facts, rng: random.Random) -> str:
    return _dumps({**facts, "companies": [rng.choice(facts["companies"])]})


def _with_a_stranger(facts: Facts, rng: random.Random) -> str:
    one, two = facts["companies"]
    if rng.random() < 0.5:
        return _dumps({**facts, "city": rng.choice([city for city in words.CITIES if city != facts["city"]])})
    strangers = [first for first in words.FIRST_PARTS if first not in (one.split()[0], two.split()[0])]
    return _dumps({**facts, "companies": [one, _company(rng.choice(strangers), rng)]})


def _cut_short(facts: Facts, rng: random.Random) -> str:
    answer = _dumps(facts)
    return answer[: rng.randrange(len(answer) // 3, len(answer) - 1)]


def _fenced(facts: Facts, _: random.Random) -> str:
    return f"```json\n{json.dumps(facts, ensure_ascii=False, indent=2)}\n```"


FAULTS: dict[str, Callable[[Facts, random.Random], str]] = {
    "format_error": _prose,
    "missed_entity": _without_a_company,
    "wrong_entity": _with_a_stranger,
    "truncation": _cut_short,
    "style_mismatch": _fenced,
}
"""How a wrong output comes about, by its failure tag."""


def write_feedback(folder: Path, *, seed: int, count: int, start: datetime) -> WrittenFeedback:
    """Fill an inbox with `count` records of the items of `seed`, a few duplicates of them, and some broken lines.

    Rated records go into one native file a day, created over five days from `start` (aware); demonstrations into
    one file of each other format. File names hold the seed, so that batches of different seeds stand side by side.
    """
    rng = _generator("feedback", seed)
    made = items(count + len(BREAKS), seed)
    kinds = _kinds(count, rng)
    given = list(zip(made[:count], kinds, strict=True))
    rated = [(item, kind) for item, kind in given if kind is not FeedbackKind.DEMONSTRATION]
    demonstrations = [item for item, kind in given if kind is FeedbackKind.DEMONSTRATION]
    times = _times(len(rated), start, rng)
    records = [_record(item, kind, at, rng) for (item, kind), at in zip(rated, times, strict=True)]
    again = rng.sample(records, min(DUPLICATES, len(records)))
    spoilt = [_record(item, FeedbackKind.GOOD, rng.choice([start, *times]), rng) for item in made[count:]]
    contents = _native_files(records, again, spoilt, rng) | _foreign_files(demonstrations)
    written = {_write(folder / f"newsroom-{seed}-{name}", lines, start): len(lines) for name, lines in contents.items()}
    return WrittenFeedback(tuple(written), sum(written.values()), len(again), len(spoilt))


def _kinds(count: int, rng: random.Random) -> list[FeedbackKind]:
    kinds = [kind for kind, share in SHARES.items() for _ in range(round(share * count))]
    kinds += [FeedbackKind.CORRECTED] * (count - len(kinds))
    rng.shuffle(kinds)
    return kinds


def _times(count: int, start: datetime, rng: random.Random) -> list[datetime]:
    return [start + timedelta(days=BATCH_DAYS) * ((position + rng.random()) / count) for position in range(count)]


def _record(item: NewsItem, kind: FeedbackKind, at: datetime, rng: random.Random) -> Record:
    asked = {"prompt": item.prompt} if rng.random() < 0.5 else {"messages": [_turn("user", item.prompt)]}
    return {**asked, **_verdict(item, kind, rng), "source_id": item.source_id, "created_at": at.isoformat()}


def _turn(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


def _verdict(item: NewsItem, kind: FeedbackKind, rng: random.Random) -> Record:
    if kind is FeedbackKind.GOOD:
        return {"output": item.answer, "rating": rng.randint(4, 5), "failure_tags": []}
    tag = rng.choice(list(FAULTS))
    wrong = {"output": FAULTS[tag](json.loads(item.answer), rng), "rating": rng.randint(1, 2), "failure_tags": [tag]}
    return {**wrong, "correction": item.answer} if kind is FeedbackKind.CORRECTED else wrong


def _truncated_line(record: Record) -> bytes:
    line = _dumps(record)
    return line[: len(line) * 2 // 3].encode()


def _impossible_rating(record: Record) -> bytes:
    return _dumps({**record, "rating": 4.5}).encode()


def _empty_prompt(record: Record) -> bytes:
    rest = {key: value for key, value in record.items() if key not in ("prompt", "messages")}
    return _dumps({"prompt": "", **rest}).encode()


def _unknown_tag(record: Record) -> bytes:
    return _dumps({**record, "failure_tags": ["too_boring"]}).encode()


def _latin_1(record: Record) -> bytes:
    return _dumps({**record, "source_id": "actualité"}).encode("latin-1", errors="replace")


BREAKS: Sequence[Callable[[Record], bytes]] = (
    _truncated_line,
    _impossible_rating,
    _empty_prompt,
    _unknown_tag,
    _latin_1,
)
"""The ways to break a line; each batch holds one line of each."""


def _native_files(
    records: Sequence[Record], again: Sequence[Record], spoilt: Sequence[Record], rng: random.Random
) -> dict[str, list[bytes]]:
    """Lines by file name: a file for each day, the broken lines anywhere, the duplicates sent again on the last day."""
    days: dict[str, list[bytes]] = defaultdict(list)
    for record in records:
        days[_day(record)].append(_dumps(record).encode())
    for spoil, record in zip(BREAKS, spoilt, strict=True):
        lines = days[_day(record)]
        lines.insert(rng.randint(0, len(lines)), spoil(record))
    days[max(days)] += [_dumps(record).encode() for record in again]
    return {f"{day}.jsonl": lines for day, lines in sorted(days.items())}


def _day(record: Record) -> str:
    return str(record["created_at"])[:10]


def _foreign_files(demonstrations: Sequence[NewsItem]) -> dict[str, list[bytes]]:
    """The demonstrations, dealt out to the formats in turn; a format that gets none has no file."""
    shares = {name: demonstrations[first :: len(FORMATS)] for first, name in enumerate(FORMATS)}
    return {name: [_dumps(FORMATS[name](item)).encode() for item in dealt] for name, dealt in shares.items() if dealt}


def _chat(item: NewsItem) -> Record:
    return {"messages": [_turn("user", item.prompt), _turn("assistant", item.answer)]}


def _alpaca(item: NewsItem) -> Record:
    return {"instruction": item.prompt, "input": "", "output": item.answer}


def _sharegpt(item: NewsItem) -> Record:
    asked, said = {"from": "human", "value": item.prompt}, {"from": "gpt", "value": item.answer}
    return {"conversations": [asked, said]}


FORMATS: dict[str, Callable[[NewsItem], Record]] = {
    "chat.jsonl": _chat,
    "alpaca.json": _alpaca,
    "sharegpt.jsonl": _sharegpt,
}


def _write(file: Path, lines: Sequence[bytes], at: datetime) -> Path:
    """Write the lines, as one array where the name ends in .json; the file's time is `at`, for records without one."""
    make_private(file.parent)
    content = b"[\n" + b",\n".join(lines) + b"\n]" if file.suffix == ".json" else b"\n".join(lines)
    write_atomic(file, content + b"\n")
    os.utime(file, (at.timestamp(), at.timestamp()))
    return file
