"""Whether the random slice is honest while the directed one finds failures: `python -m bench.review_queue`.

1,000 answers are captured in each world, of which some fail; what is known to be wrong tells a part of these, and
blames some good ones; failing answers are of some topics more than of others. A person judges 150, as the queue shows
them, and new answers come meanwhile. Two worlds are against it: what is known says nothing, or everything.
"""

import argparse
import random
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from adapterd.capture.captures import Captures
from adapterd.review.frame import Frame
from adapterd.review.queue import Queue
from adapterd.review.verdicts import Verdict, give
from adapterd.store import Store
from adapterd.store.reviews.reviews import Slice
from bench import capture, results
from bench.page import MODEL, an_answer

ANSWERS, JUDGED, LATER = 1_000, 150, 0.3
"""So large a share of the answers comes while they are judged."""
TOPICS = ("harbour", "council", "weather", "football", "opera", "bridge", "market", "school")


@dataclass(frozen=True)
class World:
    """The share of answers that fail, that of failures which checks find, and that of good ones which they blame."""

    fails: float
    found: float
    blamed: float


WORLDS: Mapping[str, World] = {
    "usual": World(0.10, 0.5, 0.02),
    "rare": World(0.03, 0.5, 0.02),
    "common": World(0.40, 0.3, 0.05),
    "blind": World(0.10, 0.05, 0.05),
    "telling": World(0.10, 1.0, 0.0),
}


def one(world: World, seed: int) -> dict[str, Any]:
    """What the queue showed in one world."""
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with Store(folder / "state.db") as store, Captures(folder / "captures.db") as captures:
            bad = set[str]()

            def arrive(count: int, start: int) -> None:
                for number in range(start, start + count):
                    fails = chance.random() < world.fails
                    known = chance.random() < (world.found if fails else world.blamed)
                    topic = chance.choice(TOPICS[:3] if fails and chance.random() < 0.5 else TOPICS)
                    made = an_answer(number, 1_700_000_000.0 + number, chance)
                    turns = ({"role": "user", "content": f"What of the {topic}, {number}?"},)
                    digits = "".join(chance.choices("0123456789ABCDEFGHJKMNPQRSTVWXYZ", k=16))
                    made = replace(made, id=made.id[:10] + digits, turns=turns, faults=["json"] if known else [])
                    captures.add(made)
                    bad.update([made.id] if fails else [])

            arrive(round(ANSWERS * (1 - LATER)), 0)
            judged = dict[Slice, list[bool]]()
            for number in range(JUDGED):
                if number == JUDGED // 2:
                    arrive(round(ANSWERS * LATER), ANSWERS)
                frame = Frame.of(store, captures, MODEL)
                item = Queue.of(frame).next()
                assert item
                fails = item.capture.id in bad
                give(frame, item, Verdict(rating=1 if fails else 5))
                judged.setdefault(item.slice, []).append(fails)
            failing = Queue.of(Frame.of(store, captures, MODEL)).failing
    true = len(bad) / ANSWERS
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
