"""Whether the random slice is honest while the directed one finds failures: `python -m bench.review_queue`.

1,000 answers are captured in each world, of which some fail; what is known to be wrong tells a part of these, and
blames some good ones; failing answers are of some topics more than of others. A person judges 150, as the queue shows
them, and new answers come meanwhile. Three worlds are against it: what is known says nothing, or everything, or half of
the failures are heard of as feedback at once.
"""

import argparse
import random
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from adapterd.capture.captures import Captures
from adapterd.chat import Message, Role
from adapterd.intake.http_intake import take_posted
from adapterd.record import prompt_hash
from adapterd.review.frame import Frame
from adapterd.review.queue import Queue
from adapterd.review.verdicts import Verdict, give
from adapterd.store import Store
from adapterd.store.reviews.reviews import Slice
from bench import capture, results
from bench.page import MODEL, an_answer

ANSWERS, JUDGED, LATER = 1_000, 150, 2
"""After each that is judged so many new ones come."""
BEGIN = 1_700_000_000.0
"""When the first answer comes, in seconds since 1970."""
TOPICS = ("harbour", "council", "weather", "football", "opera", "bridge", "market", "school")


@dataclass(frozen=True)
class World:
    """The share of answers that fail, that of failures which checks find, that of good ones which they blame, and that
    of failures which the application sends as feedback."""

    fails: float
    found: float
    blamed: float
    heard: float = 0.0


WORLDS: Mapping[str, World] = {
    "usual": World(0.10, 0.5, 0.02),
    "rare": World(0.03, 0.5, 0.02),
    "common": World(0.40, 0.3, 0.05),
    "blind": World(0.10, 0.05, 0.05),
    "telling": World(0.10, 1.0, 0.0),
    "heard": World(0.10, 0.5, 0.02, heard=0.5),
}


@dataclass
class Answers:
    """The answers of a world as they come, one a second; `bad` are the ids of those that fail."""

    world: World
    chance: random.Random
    store: Store
    captures: Captures
    bad: set[str] = field(default_factory=set)
    count: int = 0

    @property
    def now(self) -> datetime:
        """When the last one came."""
        return datetime.fromtimestamp(BEGIN + self.count, UTC)

    def arrive(self, count: int) -> None:
        """So many more."""
        for number in range(self.count, self.count + count):
            self.count += 1
            fails = self.chance.random() < self.world.fails
            known = self.chance.random() < (self.world.found if fails else self.world.blamed)
            topic = self.chance.choice(TOPICS[:3] if fails and self.chance.random() < 0.5 else TOPICS)
            made, prompt = an_answer(number, BEGIN + number, self.chance), f"What of the {topic}, {number}?"
            digits = "".join(self.chance.choices("0123456789ABCDEFGHJKMNPQRSTVWXYZ", k=16))
            made = replace(
                made, id=made.id[:10] + digits, turns=({"role": "user", "content": prompt},),
                prompt_hash=prompt_hash((Message(Role.USER, prompt),)), faults=["json"] if known else [],
            )  # fmt: skip
            self.captures.add(made)
            self.bad.update([made.id] if fails else [])
            if fails and self.chance.random() < self.world.heard:
                take_posted(self.store, MODEL, [{"prompt": prompt, "output": made.answer, "rating": 1}])


def one(world: World, seed: int) -> dict[str, Any]:
    """What the queue showed in one world."""
    with tempfile.TemporaryDirectory() as name:
        folder, moment = Path(name), [datetime.fromtimestamp(BEGIN, UTC)]
        with (
            Store(folder / "state.db", clock=lambda: moment[0]) as store,
            Captures(folder / "captures.db") as captures,
        ):
            answers = Answers(world, random.Random(seed), store, captures)
            answers.arrive(ANSWERS - LATER * JUDGED)
            judged = dict[Slice, list[bool]]()
            for _ in range(JUDGED):
                moment[0] = answers.now
                frame = Frame.of(store, captures, MODEL)
                item = Queue.of(frame).next()
                assert item
                fails = item.capture.id in answers.bad
                give(frame, item, Verdict(rating=1 if fails else 5))
                judged.setdefault(item.slice, []).append(fails)
                answers.arrive(LATER)
            failing = Queue.of(Frame.of(store, captures, MODEL)).failing
    true = len(answers.bad) / ANSWERS
    low, high = failing.interval
    return {
        "covered": low <= true <= high, "estimate": (failing.value or 0.0) - true, "of": failing.of,
        **{str(name): sum(each) / len(each) for name, each in judged.items()},
    }  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> None:
    """Simulate, and keep what was found."""
    parser = argparse.ArgumentParser(prog="python -m bench.review_queue", description=__doc__)
    parser.add_argument("--times", type=int, default=200, help="how often each world is simulated")
    given = parser.parse_args(arguments)
    found = {}
    for name, world in WORLDS.items():
        runs = [one(world, seed) for seed in range(given.times)]
        mean = {key: sum(float(each[key]) for each in runs) / len(runs) for key in runs[0]}
        found[name] = {
            "coverage": round(mean["covered"], 3), "bias": round(mean["estimate"], 4), "judged_by_chance": mean["of"],
            "failures_per_random": round(mean["random"], 3), "failures_per_directed": round(mean["directed"], 3),
            "times": round(mean["directed"] / mean["random"], 2), "simulations": given.times,
        }  # fmt: skip
        print(name, found[name], flush=True)
    results.write({"review_queue": found}, capture.FILE)


if __name__ == "__main__":
    main()
