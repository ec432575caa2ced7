"""How many examples there are, beside how many a kind of answer needs.

The numbers are those of the study that this product comes from: they say when the curve of fine-tuning of small models
flattens, not when it begins to rise.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from adapterd.config import ModelSettings, Task
from adapterd.intake.screening import HeldRecord
from adapterd.store import Store


@dataclass(frozen=True)
class Need:
    """From how many examples on a training is promising, and about how many are enough."""

    kind: str
    promising: int
    enough: int


ENTITIES = Need("entities and format", 200, 600)
CLASSES = Need("classes", 200, 400)
TITLES = Need("titles", 300, 500)
SYNTHESIS = Need("synthesis", 800, 3_000)
BY_TASK = {
    Task.JSON: ENTITIES,
    Task.CLASSIFICATION: CLASSES,
    Task.GENERATION: SYNTHESIS,
    Task.GROUNDED_QA: SYNTHESIS,
}
BY_OUTPUT_TYPE = (
    (re.compile(r"titl|titel|titre|título|titolo|headline|schlagzeile|überschrift", re.IGNORECASE), TITLES),
    (re.compile(r"topic|class|klass|label|categor|kategor|sentiment|rubri|tag", re.IGNORECASE), CLASSES),
    (re.compile(r"entit|extract|ner\b|json|format|field", re.IGNORECASE), ENTITIES),
    (re.compile(r"synth|summar|abstract|brief|report|résumé|zusammenfass|answer|text", re.IGNORECASE), SYNTHESIS),
)
"""What the application's own names of output types say; the task decides where they say nothing."""


@dataclass(frozen=True)
class Enough:
    """The examples that there are of a kind, and the need; as text `212 of about 400 for classes`."""

    kind: str
    examples: int
    promising: int
    enough: int

    def __str__(self) -> str:
        return f"{self.examples} of about {self.enough} for {self.kind}"


def enough(store: Store, model: str, settings: ModelSettings, held: Sequence[HeldRecord] = ()) -> list[Enough]:
    """What there is of each kind of answer, the most first; of the model's task where there is nothing yet. Records
    that are `held` teach nothing."""
    counts, needs = Counter[str](), {BY_TASK[settings.task].kind: BY_TASK[settings.task]}
    without = [each.content_hash for each in held]
    for output_type, count in store.feedback.usable_prompts(model, without=without).items():
        need = _need_of(output_type, settings.task)
        counts[need.kind] += count
        needs[need.kind] = need
    kinds = [kind for kind, _ in counts.most_common()] or list(needs)[:1]
    return [Enough(kind, counts[kind], needs[kind].promising, needs[kind].enough) for kind in kinds]


def _need_of(output_type: str | None, task: Task) -> Need:
    by_name = (need for pattern, need in BY_OUTPUT_TYPE if output_type and pattern.search(output_type))
    return next(by_name, BY_TASK[task])
