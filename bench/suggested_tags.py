"""How often is `hallucination` suggested of good answers, and of those that say what their prompt does not have?

Of the demo's news, whose good answers have every value word for word in their text and whose planted strangers are
other companies and cities; and of the texts in eight languages that no rule was mended by, with other names and numbers
and with invented quotations (`bench/teachers_held_out.py`). `python -m bench.suggested_tags` measures and writes,
`--show` shows what was suggested of good answers.
"""

import argparse
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from adapterd.capture.captures import Capture
from adapterd.config import ModelSettings, Task
from adapterd.demo import newsroom
from adapterd.evaluation.metrics.grounding.material import has_material
from adapterd.review.suggested import Suggestions
from bench import results
from bench.page import ANSWER
from bench.teachers_filters import ROUNDS, faulty, good
from bench.teachers_held_out import HELD_OUT

FILE = Path(__file__).parent / "suggested_tags.json"
ITEMS, SEED = 2_000, 7
_UNGROUNDED = ("ungrounded name", "ungrounded number", "invented quotation")


@dataclass(frozen=True)
class Answered:
    """An answer to a prompt, and whether it is good."""

    prompt: str
    answer: str
    is_good: bool


def news() -> Iterator[Answered]:
    """The demo's: right answers, and with a stranger in them."""
    chance = random.Random(SEED)
    for each in newsroom.items(ITEMS, SEED):
        yield Answered(each.prompt, each.answer, is_good=True)
        wrong = newsroom.FAULTS["wrong_entity"](json.loads(each.answer), chance)
        yield Answered(each.prompt, wrong, is_good=False)


def texts() -> Iterator[Answered]:
    """Of the held-out texts: good answers, and those with a name, a number or a quotation that is not there."""
    draw = random.Random(SEED)
    for _ in range(4 * ROUNDS):
        for made in (*good(HELD_OUT, draw), *faulty(HELD_OUT, draw)):
            if not made.fault or made.fault in _UNGROUNDED:
                prompt = "\n\n".join(each.content for each in made.candidate.messages)
                yield Answered(prompt, made.candidate.answer, is_good=not made.fault)


def measured(answers: list[Answered], task: Task, *, show: bool = False) -> dict[str, Any]:
    """Of how many good and faulty answers something is suggested; prompts without material are counted apart."""
    checked = [each for each in answers if has_material((each.prompt,))]
    captures = [_capture(each) for each in checked]
    settings = ModelSettings(base="smollm2:135m", base_digest="sha256:00", task=task)
    suggestions = Suggestions.of(settings, captures[:300])
    found = [suggestions.of_answer(each) for each in captures]
    for each, suggested in zip(checked, found, strict=True):
        if show and each.is_good and suggested:
            print(suggested, "|", each.answer)
    counts = {
        name: {
            "answers": sum(each.is_good is is_good for each in checked),
            "suggested": sum(
                each.is_good is is_good and bool(one) for each, one in zip(checked, found, strict=True)
            ),
        }
        for name, is_good in (("good", True), ("faulty", False))
    }  # fmt: skip
    return {**counts, "without_material": len(answers) - len(checked)}


def _capture(each: Answered) -> Capture:
    return replace(ANSWER, turns=[{"role": "user", "content": each.prompt}], answer=each.answer, schema=None)


def measure(*, show: bool = False) -> dict[str, Any]:
    """The figures of `suggested_tags`."""
    return {
        "news": measured(list(news()), Task.JSON, show=show),
        "texts": measured(list(texts()), Task.GROUNDED_QA, show=show),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.suggested_tags", description=__doc__)
    parser.add_argument("--show", action="store_true")
    made = measure(show=parser.parse_args().show)
    results.write({"suggested_tags": made}, FILE)
    print(json.dumps(made, indent=2))
