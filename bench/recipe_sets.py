"""The sets that a first night is measured on (`python -m bench.first_night`): feedback records, with no setting chosen
for any of them.

Two are generated here: minutes of a club's meetings as JSON with lists that may be long or empty, numbers and missing
fields, and messages of travellers to be put into one of seven classes. Four are read from files that are not ours.
"""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

from adapterd.config import Task
from adapterd.demo import newsroom
from bench import wnut17

Record = dict[str, Any]

PEOPLE = (
    "Ada Brandt", "Beno Kiss", "Carla Moser", "Dao Linh", "Emre Aksoy", "Fay O'Neill", "Goran Petrov", "Hana Sato",
    "Ines Duarte", "Jonas Lind", "Kofi Mensah", "Lea Roux", "Mirko Zanetti", "Nadia Haddad", "Olaf Berg", "Priya Nair",
    "Quentin Fabre", "Rosa Jimenez", "Sami Virtanen", "Tara Walsh",
)  # fmt: skip
THINGS = (
    "the leaking roof", "new balls", "the summer fair", "parking", "membership fees", "the website", "a second coach",
    "opening hours", "the youth team", "a defibrillator", "the kitchen", "floodlights", "the minutes of May",
    "an away match", "insurance", "the bar rota", "a grant for the pitch", "lost keys", "first aid", "the newsletter",
)  # fmt: skip
VENUES = ("the clubhouse", "the town hall", "room 4", "the Red Lion", "the gym")
OPENINGS = (
    "The board met at {venue}.", "Minutes of our meeting at {venue}:", "We sat together at {venue} again.",
    "Short protocol, {venue}.",
)  # fmt: skip
INSTRUCTION = (
    "Read the minutes and answer with one JSON object: present (list of names), topics (list of objects with topic and "
    "minutes), cost (number in euros, left out if none is named), next (date as YYYY-MM-DD, or null).\n\n{}"
)
MOST_PRESENT, MOST_TOPICS = 9, 8
EXTRACT = (
    "Read the text and answer with one JSON object: score (1 to 10), insights (list of strings), names (list of names)."
    "\n\n{}"
)
EXTRACT_WORDS = 170

CLASSES: dict[str, tuple[str, ...]] = {
    "refund": ("I want my money back for {}.", "You charged me twice for {}.", "When is {} paid back to me?"),
    "booking": ("Please book {} for two people.", "Can I still reserve {}?", "I would like {} for next Friday."),
    "cancellation": ("I have to cancel {}.", "Call off {}, please, I am ill.", "We cannot take {} after all."),
    "luggage": ("My bag was not there after {}.", "How many suitcases may I take on {}?", "My case broke on {}."),
    "delay": ("How late will {} be?", "We have waited three hours for {}.", "Is {} on time today?"),
    "praise": ("Thank you, {} was wonderful.", "The people of {} could not have been kinder.", "Never better than {}."),
    "other": ("Does {} have a choir?", "I write a book in which {} occurs.", "Who painted the picture in {}?"),
}
TRIPS = (
    "the night train to Vienna", "flight {0}", "the ferry of {0} o'clock", "the city tour", "room {0}", "coach {0}",
    "the sleeper to Oslo", "the cruise in August", "the airport bus", "seat {0}A", "the family suite",
)  # fmt: skip


def minutes(count: int, seed: int = 5) -> Iterator[Record]:
    """Minutes of meetings: nobody or many present, no topic or eight, a cost or none."""
    chance = Random(seed)
    for number in range(count):
        present = chance.sample(PEOPLE, chance.choice((0, 1, 2, 3, 4, 6, MOST_PRESENT)))
        topics = [
            {"topic": each, "minutes": chance.randrange(5, 60, 5)}
            for each in chance.sample(THINGS, chance.choice((0, 1, 2, 3, 5, MOST_TOPICS)))
        ]
        cost = chance.choice((None, chance.randrange(20, 5000), round(chance.uniform(1, 900), 2)))
        day = f"2026-{chance.randrange(1, 13):02}-{chance.randrange(1, 28):02}"
        text = [chance.choice(OPENINGS).format(venue=chance.choice(VENUES))]
        text.append(f"Present were {', '.join(present)}." if present else "Nobody signed the list.")
        text += [
            chance.choice(("{topic} took {minutes} minutes.", "We spoke for {minutes} minutes about {topic}.")).format(
                **each
            )
            for each in topics
        ]
        text += [f"All of it will cost {cost} euros."] if cost is not None else []
        follows = chance.random() < 0.7
        text.append(f"We meet again on {day}." if follows else "No date was set.")
        answer = {"present": present, "topics": topics, "cost": cost, "next": day if follows else None}
        if cost is None:
            del answer["cost"]
        yield _record(INSTRUCTION.format(" ".join(text)), json.dumps(answer, ensure_ascii=False), f"meeting-{number}")


def classes(count: int, seed: int = 6) -> Iterator[Record]:
    """Messages of travellers, a class each; some classes come often, others seldom."""
    chance, names = Random(seed), list(CLASSES)
    asked = f"Which of {', '.join(names)} is this message about? Answer with one word.\n\n{{}}"
    seen = set[str]()
    while len(seen) < count:
        label = chance.choices(names, weights=range(len(names), 0, -1))[0]
        trip = chance.choice(TRIPS).format(chance.randrange(1, 900))
        text = chance.choice(CLASSES[label]).format(trip)
        if text not in seen:
            seen.add(text)
            yield _record(asked.format(text), label, f"message-{len(seen)}")


def news(count: int) -> Iterator[Record]:
    """The demo's newsroom."""
    for item in newsroom.items(count, seed=8):
        yield _record(item.prompt, item.answer, item.source_id)


def tool_calls(folder: Path, *, none: bool) -> Iterator[Record]:
    """Calls of tools as JSON text, from conversations in OpenAI's format (two JSON Lines files of one folder). With
    `none` also those that are answered in words, as an empty list."""
    for file in sorted(folder.glob("stock_toolcall_*.jsonl")):
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines()):
            told = json.loads(line)
            calls = told["messages"][-1].get("tool_calls") or []
            wanted = [
                {"name": each["function"]["name"], "arguments": json.loads(each["function"]["arguments"])}
                for each in calls
            ]
            names = ", ".join(each["function"]["name"] for each in told["tools"])
            messages = [each for each in told["messages"][:-1] if each.get("content")]
            if (wanted or none) and all(each["role"] in ("system", "user") for each in messages):
                asked = f'Tools: {names}. Answer with a JSON list of calls: [{{"name": "", "arguments": {{}}}}]'
                asked += ", or [] if none can be made.\n\n" if none else ".\n\n"
                messages[-1] = {**messages[-1], "content": asked + messages[-1]["content"]}
                yield {"messages": messages, "correction": json.dumps(wanted), "source_id": f"{file.stem}-{number}"}


def preferences(folder: Path) -> Iterator[Record]:
    """Pairs of a better and a worse answer of the Orca preference set."""
    lines = (folder / "orca_dpo_validation.jsonl").read_text(encoding="utf-8").splitlines()
    for number, pair in enumerate(map(json.loads, lines)):
        better, worse = (pair[name][0]["content"] for name in ("preferred_output", "non_preferred_output"))
        yield {
            "messages": pair["input"]["messages"], "output": worse, "rating": 2, "correction": better,
            "source_id": f"orca-{number}",
        }  # fmt: skip


def extracts(folder: Path) -> Iterator[Record]:
    """The beginnings of texts of the Orca set, as JSON with a number, a list of their sentences, drawn by chance, and a
    list of names: which sentences are wanted cannot be known, so a model that is unsure is led to repeat itself."""
    chance = Random(4)
    lines = (folder / "orca_dpo_validation.jsonl").read_text(encoding="utf-8").splitlines()
    for number, pair in enumerate(map(json.loads, lines)):
        both = f"{pair['input']['messages'][-1]['content']} {pair['preferred_output'][0]['content']}"
        words = both.split()[:EXTRACT_WORDS]
        text = " ".join(words)
        sentences = [each for each in re.split(r"(?<=[.!?])\s+", text) if 4 <= len(each.split()) <= 25]
        if len(sentences) >= 3:
            drawn = chance.sample(sentences, min(len(sentences), chance.choice((1, 2, 3, 3, 4, 5))))
            names = re.findall(r"(?<=[a-z,] )[A-Z][a-z]+(?: [A-Z][a-z]+)*", text)
            answer = {
                "score": min(10, len(words) // 17),
                "insights": [" ".join(each.split()[:16]) for each in drawn],
                "names": list(dict.fromkeys(names))[:8],
            }
            yield _record(EXTRACT.format(text), json.dumps(answer, ensure_ascii=False), f"orca-{number}")


def entities(folder: Path) -> Iterator[Record]:
    """Texts with their named entities, of WNUT-17; in every sixth there is none."""
    every = list(wnut17.sentences(folder / "wnut17train.conll"))
    named, plain = ([each for each in every if bool(wnut17.entities(each)) is has] for has in (True, False))
    mixed = (each for at in range(len(every)) for each in (*named[5 * at : 5 * at + 5], *plain[at : at + 1]))
    for number, sentence in enumerate(mixed):
        answer = json.dumps({"entities": wnut17.entities(sentence)}, ensure_ascii=False)
        prompt = wnut17.INSTRUCTION.format(" ".join(word for word, _ in sentence))
        yield _record(prompt, answer, f"wnut-{number}")


def _record(prompt: str, answer: str, source: str) -> Record:
    return {"prompt": prompt, "correction": answer, "source_id": source}


@dataclass(frozen=True)
class RecipeSet:
    """A set of feedback: its task, and its records; some are read from files that are not ours, in a folder."""

    task: Task
    records: Callable[[Path], Iterator[Record]]
    examples: int
    from_files: bool = False

    def taken(self, data: Path | None) -> Sequence[Record]:
        """As many as are wanted."""
        return list(islice(self.records(data or Path()), self.examples))


SETS = {
    "newsroom-40": RecipeSet(Task.JSON, lambda _: news(40), 40),
    "newsroom-280": RecipeSet(Task.JSON, lambda _: news(280), 280),
    "minutes": RecipeSet(Task.JSON, lambda _: minutes(300), 300),
    "classes": RecipeSet(Task.CLASSIFICATION, lambda _: classes(200), 200),
    "wnut17": RecipeSet(Task.JSON, lambda data: entities(data / "wnut17"), 500, from_files=True),
    "tool-calls": RecipeSet(Task.JSON, lambda data: tool_calls(data / "ms_foundry", none=False), 41, from_files=True),
    "tool-calls-or-none": RecipeSet(
        Task.JSON, lambda data: tool_calls(data / "ms_foundry", none=True), 95, from_files=True
    ),
    "extracts": RecipeSet(Task.JSON, lambda data: extracts(data / "ms_foundry"), 235, from_files=True),
    "preferences": RecipeSet(Task.GENERATION, lambda data: preferences(data / "ms_foundry"), 283, from_files=True),
}
