"""Whether the guard set notices what a model forgets: `python -m bench.guard` asks SmolLM2 all of it, once.

From the real answers a candidate is drawn that forgot a given share of what the base can, where each of the two also
answers a tenth of the items otherwise by chance; the gate in force says whether it is held. The former size is
drawn beside it.
"""

import json
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adapterd.chat import Answer, ChatOptions
from adapterd.config import GateRule, RuntimeKind
from adapterd.demo.cycle import BASE_TAG
from adapterd.demo.environment import open_environment, register_base
from adapterd.evaluation.answered_set import AnsweredSet
from adapterd.evaluation.evaluate import Answers
from adapterd.evaluation.gates import CANDIDATE, LIVE, judge
from adapterd.evaluation.metrics.guard import ANSWER_TOKENS, GuardItem, guard_items, guard_metrics, passes
from adapterd.evaluation.rules import GUARD_MARGIN
from adapterd.evaluation.verdict import Decision
from bench import results
from bench.gates import FILE
from bench.ollama import ollama_binary

FORMER_SIZE, DROPS, RUNS, BY_CHANCE = 56, (0.0, 0.025, 0.05, 0.075, 0.1, 0.15), 400, 0.1
Right = NDArray[np.bool_]


def asked() -> tuple[list[bool], float]:
    """Which items SmolLM2 does as asked, and how many seconds that takes."""
    options = ChatOptions(num_predict=ANSWER_TOKENS)
    with (
        tempfile.TemporaryDirectory() as name,
        open_environment(Path(name) / "stage", RuntimeKind.OLLAMA, ollama_binary()) as stage,
    ):
        register_base(stage, BASE_TAG)
        stage.runtime.chat(BASE_TAG, guard_items()[0].question.messages, options)
        started = time.monotonic()
        done = [
            passes(item.question, stage.runtime.chat(BASE_TAG, item.question.messages, options))
            for item in guard_items()
        ]
        return done, time.monotonic() - started


def held(right: Right, drop: float, random: np.random.Generator, size: int) -> float:
    """The share of candidates that are held which truly pass `drop` of the items less."""
    count = 0
    for _ in range(RUNS):
        items = random.choice(len(right), size, replace=False)
        base = right[items]
        forgotten = base & (random.random(size) < drop / right.mean())
        sides = [known ^ (random.random(size) < BY_CHANCE) for known in (base & ~forgotten, base)]
        count += not _passes_gate([guard_items()[each] for each in items], *sides)
    return round(count / RUNS, 3)


def _passes_gate(items: Sequence[GuardItem], candidate: Right, live: Right) -> bool:
    given = {
        name: Answers(name, name, tuple(_answer(item, bool(done)) for item, done in zip(items, side, strict=True)))
        for name, side in ((CANDIDATE, candidate), (LIVE, live))
    }
    measured = AnsweredSet([item.question for item in items], guard_metrics(), given).measured(CANDIDATE)
    verdict = judge(measured, {"guard": GateRule(margin=GUARD_MARGIN)}, primary="guard", require_improved=0)
    return verdict.decision is Decision.PROMOTE


def _answer(item: GuardItem, done: bool) -> Answer:
    return Answer(item.right if done else "", "stop", 1, 1, 0.0, 0.0)


def guard() -> dict[str, Any]:
    """The set, what SmolLM2 does of it, and the share held by the true drop."""
    done, seconds = asked()
    random, right = np.random.default_rng(0), np.array(done)
    by_kind = Counter(item.kind for item, each in zip(guard_items(), done, strict=True) if each)
    return {
        "items": len(done),
        "kinds": {kind: [by_kind[kind], count] for kind, count in Counter(each.kind for each in guard_items()).items()},
        "base": round(float(right.mean()), 3),
        "seconds": round(seconds, 1),
        "runs": RUNS,
        "held": {f"{drop:g}": held(right, drop, random, len(done)) for drop in DROPS},
        "held_of_56": {f"{drop:g}": held(right, drop, random, FORMER_SIZE) for drop in DROPS},
    }


def main() -> None:
    """Measure, print and keep it."""
    measured = guard()
    results.write({"guard": measured}, FILE)
    print(json.dumps(measured, indent=2))


if __name__ == "__main__":
    main()
