"""How capture's tag `edited` does in worlds that are known: `python -m bench.capture_edits [--series N]`.

In each series a person or a program asks a model some dozens of times. A table says of each world how many of 1,000
answers get the tag although nobody edited their prompt, and what share of those whose prompt was edited gets it: by
likeness of letters alone, by that and the time, and by the rule without and with its look at programs. Figures stand in
docs/decisions/0042-edited-and-sent-again.md.
"""

import argparse
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from random import Random

from adapterd.capture.captures import Capture
from adapterd.capture.tags.edits import EDITED, LOOKED_AT, PERSON_S, WITHIN_S, Request, edits, is_edit
from adapterd.demo import newsroom

AGAIN_S, LIKE = 120.0, 0.9
REQUESTS = 40


@dataclass(frozen=True)
class Asked:
    """A prompt, how long after the answer before it came, how long its answer took (seconds), and whether it is the one
    before with an edit."""

    prompt: str
    pause: float
    seconds: float = 2.0
    is_edit: bool = False
    answer: str = "an answer"


World = Callable[[Random], Iterator[Asked]]

QUESTIONS = (
    "What is a good way to learn the piano as an adult?", "Write a short poem about the first snow of the year",
    "Explain the difference between a virus and a bacterium", "How do I remove red wine from a white shirt?",
    "Give me three ideas for a birthday party in the garden", "Translate into Spanish: the meeting was moved to Monday",
    "Write a function in Python that reverses a linked list", "Why is the sky blue during the day and red at night?",
    "Suggest a name for a small bakery near the harbour", "How long does fresh pasta keep in the fridge?",
    "Summarize the plot of Moby Dick", "What should I pack for two weeks of hiking in Norway in autumn?",
    "Draft a polite email to my landlord about the broken heating", "how many calories are in a large banana",
    "Wie schreibe ich eine Kündigung für meinen Handyvertrag?", "Nenne mir drei gute Bücher über die Renaissance",
    "write a regex that matches dates like 2026-12-02", "Who painted the ceiling of the Sistine Chapel?",
    "Make a weekly plan for somebody who wants to run ten kilometres", "what does the error ECONNREFUSED mean in node",
)  # fmt: skip
ADDED = (
    " in two sentences", ", briefly", " for children", " and give an example", " without using lists", " step by step",
    " Please answer in German.", " as a table", " Do not use any jargon.", " and say why", " in simple words",
    " please",
)  # fmt: skip
OTHER_NAMES = (
    ("What is the capital of {}?", ("France", "Spain", "Austria", "Australia", "Iran", "Iraq", "Niger", "Nigeria")),
    ("how far is it from london to {}", ("paris", "paris texas", "rome", "oslo", "new york", "york", "bath")),
    ("Who was {}?", ("Anna Schmidt", "Hanna Schmidt", "Anna Maria Schmidt", "Karl Meier", "Karl Meyer", "Otto Hahn")),
    ("Write a product text for our {} in the tone of our shop", ("chair", "garden chair", "sofa", "table", "lamp",
                                                                  "desk lamp", "desk")),
    ("Is {} safe to use in production?", ("Python 3.11", "Python 3.12", "numpy", "pandas", "SQLite", "PostgreSQL 16")),
    ("How do you say {} in Italian?", ("house", "horse", "dog", "red wine", "wine", "good morning", "good night")),
)  # fmt: skip
USERS_ASK = (
    "How do I reset my password?", "how do i reset my password", "How can I reset my password?",
    "I forgot my password, how do I reset it?", "Where is my order?", "Where is my order now?", "where is my parcel?",
    "How do I return an item?", "How do I return an item that I bought?", "How can I return a damaged item?",
    "What are your opening hours?", "What are your opening hours today?", "what are your opening hours on sunday?",
    "Do you ship to Norway?", "Do you ship to Sweden?", "Do you also ship to Norway?", "How much is shipping?",
    "How much is shipping to Norway?", "Can I change my address?", "Can I change my delivery address?",
    "Can I pay by invoice?", "Can I still pay by invoice?", "Talk to a human", "I want to talk to a human please",
)  # fmt: skip
WORDS = (
    "good", "bad", "phone", "case", "battery", "very", "slow", "fast", "cheap", "broke", "after", "week",
    "screen", "great", "not", "worth", "money", "easy", "use", "loud", "quiet", "nice", "colour", "arrived",
    "late",
)  # fmt: skip


def edited_chats(random: Random, pauses: tuple[float, float] = (6.0, 60.0)) -> Iterator[Asked]:
    """People ask other things, and edit every fourth prompt: a slip is mended, words are added or taken away, another
    word is put in the place of one, or all is said otherwise."""
    for _ in range(REQUESTS // 2):
        prompt = random.choice(QUESTIONS)
        if random.random() < 0.5:
            yield Asked(prompt, random.uniform(20, 400), random.uniform(1, 20))
            continue
        before, after = random.choice(
            [(slip(prompt, random), prompt), (prompt, prompt + random.choice(ADDED)), (prompt, shorter(prompt, random)),
             (prompt, other_word(prompt, random)), (prompt, random.choice(QUESTIONS))]
        )  # fmt: skip
        yield Asked(before, random.uniform(20, 400), random.uniform(1, 20))
        yield Asked(after, random.uniform(*pauses), random.uniform(1, 20), is_edit=after != before)


def slip(text: str, random: Random) -> str:
    """The text with a slip in one of its longer words."""
    words = text.split()
    number = random.choice([place for place, word in enumerate(words) if len(word) > 4])
    word, at = words[number], random.randrange(1, len(words[number]) - 2)
    swapped = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    words[number] = random.choice([swapped, word[:at] + word[at + 1 :], word[:at] + word[at] + word[at:]])
    return " ".join(words)


def shorter(text: str, random: Random) -> str:
    """The text without one or two words."""
    words = text.split()
    at, count = random.randrange(1, len(words) - 1), random.randint(1, 2)
    return " ".join(words[:at] + words[at + count :])


def other_word(text: str, random: Random) -> str:
    """The text with another word in the place of one."""
    words = text.split()
    words[random.randrange(1, len(words))] = random.choice(WORDS)
    return " ".join(words)


def batch(pauses: tuple[float, float]) -> World:
    """A program asks one template with other texts."""

    def world(random: Random) -> Iterator[Asked]:
        for item in newsroom.items(REQUESTS, random.randrange(10**6)):
            yield Asked(item.prompt, random.uniform(*pauses), random.uniform(0.5, 3))

    return world


def short_batch(random: Random) -> Iterator[Asked]:
    """A program asks one template with a few words, at the pace of a person."""
    for _ in range(REQUESTS):
        said = " ".join(random.choices(WORDS, k=random.randint(1, 6)))
        yield Asked(
            f"Is this review positive or negative? Review: {said}", random.uniform(3, 30), random.uniform(0.3, 2)
        )


def other_names(random: Random) -> Iterator[Asked]:
    """A person asks the same of several names."""
    for _ in range(REQUESTS // 4):
        template, names = random.choice(OTHER_NAMES)
        for name in random.sample(names, random.randint(2, 5)):
            yield Asked(template.format(name), random.uniform(6, 60), random.uniform(1, 10))


def many_users(random: Random) -> Iterator[Asked]:
    """Many people ask an assistant of a shop nearly the same things."""
    for _ in range(REQUESTS):
        yield Asked(random.choice(USERS_ASK), random.expovariate(1 / 10) - 3, random.uniform(1, 5))


def monitor(random: Random) -> Iterator[Asked]:
    """A program asks of a list of messages every 30 seconds; now and then there is one more."""
    lines: list[str] = []
    for _ in range(REQUESTS):
        if random.random() < 0.5:
            lines = [*lines, "the " + " ".join(random.choices(WORDS, k=3))][-6:]
        yield Asked("Is any of these messages urgent? " + "; ".join(lines), 28.0, 2.0)


def typing(random: Random) -> Iterator[Asked]:
    """An editor asks how a text that somebody types goes on."""
    for _ in range(REQUESTS // 10):
        words = random.choices(WORDS, k=random.randint(3, 30))
        for _ in range(random.randint(3, 14)):
            words += random.choices(WORDS, k=random.randint(1, 3))
            yield Asked("Go on with this text: " + " ".join(words), random.uniform(0.5, 8), 0.7)


def transcripts(random: Random) -> Iterator[Asked]:
    """An application puts the whole conversation into one turn."""
    for _ in range(REQUESTS // 8):
        said = "You are a helpful assistant.\nUser: " + random.choice(QUESTIONS)
        for number in range(8):
            answer = " ".join(random.choices(WORDS, k=random.randint(1, 40)))
            yield Asked(said, random.uniform(5, 60), random.uniform(1, 10), answer=answer)
            said += f"\nAssistant: {answer}\nUser: {random.choice(WORDS)} {number}?"


def tries(random: Random) -> Iterator[Asked]:
    """A program asks once more, with a reminder, where an answer is no JSON."""
    for _ in range(REQUESTS // 2):
        prompt = random.choice(QUESTIONS) + " Answer as JSON."
        yield Asked(prompt, random.uniform(1, 60), random.uniform(1, 5))
        if random.random() < 0.5:
            yield Asked(prompt + " Only valid JSON please.", random.choice((0.05, 1.0, 2.0)), random.uniform(1, 5))


def documents(random: Random) -> Iterator[Asked]:
    """Somebody works on a text and has it read again and again."""
    words = random.choices(WORDS, k=random.randint(30, 300))
    for _ in range(REQUESTS // 4):
        at = random.randrange(len(words))
        words[at : at + random.randint(0, 2)] = random.choices(WORDS, k=random.randint(0, 8))
        yield Asked("Proofread this text: " + " ".join(words), random.uniform(20, 110), random.uniform(3, 10))


WORLDS: Mapping[str, World] = {
    "people who edit": edited_chats,
    "a batch of articles, one after the other": batch((0.001, 0.5)),
    "the same, slowly": batch((3.0, 30.0)),
    "a batch of reviews of 1 to 6 words, slowly": short_batch,
    "the same question about another name": other_names,
    "many users of a shop's assistant": many_users,
    "a monitor that asks every 30 s": monitor,
    "text that is typed": typing,
    "conversations as one turn": transcripts,
    "a program that asks once more": tries,
    "a text that somebody works on": documents,
}


def by_letters(earlier: Sequence[Capture], request: Request, *, least_s: float = 0.0) -> str | None:
    """Not chosen: the newest prompt that is alike by its letters, and whose answer was over for so long."""
    for each in earlier:
        is_then = each.at >= request.at - AGAIN_S and each.at + each.seconds + least_s <= request.at
        one, other = str(each.turns[-1]["content"]), str(request.turns[-1]["content"])
        if is_then and one != other and SequenceMatcher(None, one, other, autojunk=False).ratio() >= LIKE:
            return each.id
    return None


def by_words(earlier: Sequence[Capture], request: Request) -> str | None:
    """The rule without its look at programs."""
    for each in earlier:
        is_then = each.at >= request.at - AGAIN_S and each.at + each.seconds + PERSON_S <= request.at
        if is_then and is_edit(str(each.turns[-1]["content"]), str(request.turns[-1]["content"]), each.answer):
            return each.id
    return None


def tagged(asked: Iterable[Asked]) -> tuple[list[Asked], list[set[str]]]:
    """What was asked, and which answers get the tag by each way."""
    at, captures = 1e9, list[Capture]()
    found: list[set[str]] = [set(), set(), set(), set()]
    every = list(asked)
    for number, each in enumerate(every):
        at += each.pause
        turns = [{"role": "user", "content": each.prompt}]
        request = Request(turns, [], None, at)
        earlier = [each for each in captures[: -LOOKED_AT - 1 : -1] if each.at >= at - WITHIN_S]
        ways = by_letters(earlier, request), by_letters(earlier, request, least_s=PERSON_S), by_words(earlier, request)
        for way, name in zip(found, ways, strict=False):
            way |= {name} if name else set()
        seen = edits(request, earlier, AGAIN_S)
        found[3] = (found[3] | ({seen.former} if seen.former else set())) - set(seen.of_program)
        captures.append(_capture(str(number), turns, at, each))
        captures[-LOOKED_AT:] = [replace(one, faults=[EDITED] * (one.id in found[3])) for one in captures[-LOOKED_AT:]]
        at += each.seconds
    return every, found


def _capture(name: str, turns: list[dict[str, str]], at: float, asked: Asked) -> Capture:
    return Capture(
        id=name, at=at, dialect="", model="m", digest=None, template_hash=None, prompt_hash=asked.prompt,
        answer_hash="", turns=turns, answer=asked.answer, thoughts="", calls=[], options={}, tools=[], schema=None,
        reason="stop", complete=True, error=None, prompt_tokens=None, answer_tokens=None, logprob=None,
        logprob_tokens=0, first_byte_s=0.1, seconds=asked.seconds, faults=[], kept="sample", repeats=0, bytes=0,
    )  # fmt: skip


def rows(series: int) -> Iterator[tuple[str, ...]]:
    """Of each world: false tags of 1,000 answers by each way, and the share of edits that is found."""
    for name, world in WORLDS.items():
        answers, true, false, hits = 0, 0, [0] * 4, [0] * 4
        for seed in range(series):
            every, ways = tagged(world(Random(f"{name} {seed}")))
            was_edited = {str(number - 1) for number, each in enumerate(every) if each.is_edit}
            answers, true = answers + len(every), true + len(was_edited)
            for place, way in enumerate(ways):
                hits[place] += len(way & was_edited)
                false[place] += len(way - was_edited)
        shares = (f"{each / true:.0%}" if true else "" for each in hits)
        yield name, str(answers), *(f"{1000 * each / answers:.1f}" for each in false), *shares


def main(arguments: Sequence[str] | None = None) -> None:
    """Simulate, and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.capture_edits", description=__doc__)
    parser.add_argument("--series", type=int, default=200, metavar="N", help="series of each world (200)")
    for row in rows(parser.parse_args(arguments).series):
        print("| " + " | ".join(row) + " |", flush=True)


if __name__ == "__main__":
    main()
