"""Whether training is worth it, measured: the base answers a sample of the examples' prompts.

The rule: training is worth it if more than `FREQUENT` of the base's answers fail, beyond what chance leaves open, and
there are `ENOUGH` examples to train on. An answer that was cut although the example's own would not fit either is no
failure of the base: it needs more room.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from adapterd.config import ModelSettings, Settings, Task
from adapterd.dataset.cases import EvaluationCase, case_of
from adapterd.dataset.examples import Example
from adapterd.dataset.left_out import LeftOut
from adapterd.dataset.statements import resolve
from adapterd.errors import NotEnoughDataError
from adapterd.evaluation.answered_set import AnsweredSet
from adapterd.evaluation.evaluate import Scores
from adapterd.evaluation.failures import CUT, FAILS_BELOW, failures, share_of_failures
from adapterd.evaluation.metrics.grounding.material import has_material
from adapterd.evaluation.metrics.grounding.ungrounded import UNGROUNDED
from adapterd.evaluation.rules import CRITICAL, primary_of
from adapterd.evaluation.statistics import Interval
from adapterd.home import Home
from adapterd.insight.triage import ENOUGH, FREQUENT
from adapterd.intake.screening import held_hashes
from adapterd.record import FeedbackRecord
from adapterd.runs.served_prompts import ServedPrompts
from adapterd.runs.tag_evaluation import Evaluator, Report
from adapterd.serving.runtime import Runtime
from adapterd.serving.runtimes import pinned_base
from adapterd.serving.tags import BASE
from adapterd.store import Store


@dataclass(frozen=True)
class Cost:
    """What asking takes: `questions` that were not asked before, the tokens of their prompts, and the most that each
    answer may have. `seconds` is an estimate from one answer that was measured; None where nothing is asked."""

    questions: int
    prompt_tokens: int
    answer_tokens: int
    seconds: float | None


@dataclass(frozen=True)
class AskedTriage:
    """What the base's answers to `asked` of the `examples` say; `share` of them `failed`, and of all such prompts a
    share within `interval`. `by_metric` counts the failing answers by metric, `metrics` has the figures of the sample.

    `ungrounded` answers have numbers, names or quotations that neither prompt nor example has: that may be
    hallucination, and fails none of them. `no_room` answers were cut where the example's own would have been, too; they
    are not among those `asked`.
    """

    examples: int
    asked: int
    failed: int
    share: float
    interval: Interval
    by_metric: Mapping[str, int]
    metrics: Mapping[str, float]
    no_room: int
    left_out: tuple[LeftOut, ...]
    worth_training: bool
    advice: str
    ungrounded: int = 0


@dataclass(frozen=True)
class Sample:
    """A sample of a model's examples, to be asked of its base."""

    evaluator: Evaluator
    prompts: ServedPrompts
    tag: str
    examples: int
    cases: tuple[EvaluationCase, ...]
    left_out: tuple[LeftOut, ...]

    def cost(self) -> Cost:
        """What is still to be asked takes; two answers are measured for it, and kept, as the first loads the base."""
        ask = self.evaluator.asker(self.tag, self.evaluator.runtime.tags()[self.tag])
        measured = None
        for case in [case for case in self.cases if ask.known(case.messages) is None][:2]:
            measured = ask(case.messages).total_s
        unknown = [case.messages for case in self.cases if ask.known(case.messages) is None]
        tokens = sum(self.prompts.tokens(messages) for messages in unknown)
        seconds = measured * len(unknown) if measured is not None and unknown else None
        return Cost(len(unknown), tokens, self.evaluator.settings.evaluation.num_predict, seconds)

    def measure(self, report: Report) -> AskedTriage:
        """Ask what was not asked before, and say what the answers mean; `report` gets the share done, 0…1.

        Each answer is kept as soon as it is there, so what was stopped goes on where it was.
        """
        run = self.evaluator.collect_answers({BASE: self.tag}, self.cases, "", report)
        cut = [place for place, answer in enumerate(run.frozen.answers[BASE].answers) if answer.truncated]
        room = self.evaluator.settings.evaluation.num_predict
        no_room = [place for place in cut if self.prompts.answer_tokens(run.frozen.questions[place].reference) > room]
        answered = run.frozen.without(no_room)
        if not answered.questions:
            raise NotEnoughDataError(
                f"all {len(no_room)} answers were cut, and so would be those of the examples",
                hint=f"raise evaluation.num_predict, which is {room}",
            )
        left_out = (*self.left_out, *run.left_out)
        found = weigh_answers(answered, self._critical, self.examples, len(no_room), left_out)
        is_grounded = self.evaluator.settings.task is not Task.CLASSIFICATION
        return replace(found, ungrounded=_ungrounded(answered)) if is_grounded else found

    @property
    def _critical(self) -> tuple[str, ...]:
        settings = self.evaluator.settings
        return tuple(dict.fromkeys((*CRITICAL[settings.task], primary_of(settings))))


def weigh_answers(
    answered: AnsweredSet, critical: Sequence[str], examples: int, no_room: int, left_out: tuple[LeftOut, ...]
) -> AskedTriage:
    """What the base's answers say about training, by the metrics named `critical`."""
    given = answered.answers[BASE].answers
    found = failures(answered.questions, given, answered.metrics, critical)
    share, interval = share_of_failures(answered.questions, found.failed)
    scores = answered.scores()[BASE]
    counts = {name: len(places) for name, places in found.by_metric.items()}
    worth = interval.low > FREQUENT and examples >= ENOUGH
    triage = AskedTriage(
        examples, len(given), sum(found.failed), share, interval, counts, _figures(scores, counts), no_room, left_out,
        worth, "",
    )  # fmt: skip
    return replace(triage, advice=_advice(triage))


def _ungrounded(answered: AnsweredSet) -> int:
    """How many answers to prompts with material state what these and the examples do not have."""
    asked = zip(answered.questions, answered.answers[BASE].answers, strict=True)
    return sum(
        (UNGROUNDED.parts(question, answer) or (0.0,))[0] > 0
        for question, answer in asked
        if has_material(each.content for each in question.messages)
    )


def _figures(scores: Scores, counts: Mapping[str, int]) -> dict[str, float]:
    return {name: value for name, value in scores.metrics.items() if name in counts}


def _advice(found: AskedTriage) -> str:
    low, high = found.interval.low, found.interval.high
    told = f"the base fails in {found.failed} of {found.asked} answers ({low:.0%} to {high:.0%} of all such)"
    kinds = ", ".join(f"{_kind(name)} in {count}" for name, count in found.by_metric.items() if count)
    told += f": {kinds}" if kinds else ""
    if found.worth_training:
        return f"training is worth it: {told}; there are {found.examples} examples to train on"
    if high <= FREQUENT:
        return f"training is not worth it: {told}, and tuning is worth it above {FREQUENT:.0%}"
    if low <= FREQUENT:
        return f"whether training is worth it is open: {told}, and {FREQUENT:.0%} lie between; ask a larger sample"
    return f"training is not worth it yet: {told}, but there are {found.examples} examples of {ENOUGH} to train on"


def _kind(name: str) -> str:
    return "cut" if name == CUT else f"{name} below {FAILS_BELOW:g}"


@dataclass(frozen=True)
class BaseTriage:
    """Draws samples of the examples of a model for its base to answer."""

    store: Store
    home: Home
    settings: Settings
    runtime: Runtime
    model: str

    def sample(self, size: int) -> Sample:
        """At most `size` examples that can be asked; a larger sample has all of a smaller one.

        Raises NotEnoughDataError where there is none, NotFoundError and the like where the base is not served.
        """
        base = pinned_base(self.runtime, self.model, self._asking, self.home)
        prompts = ServedPrompts(self.runtime, self._asking, base.gguf, {BASE: base.tag})
        examples = self._examples()
        cases, left_out = _askable(examples, size, prompts)
        if not cases:
            raise NotEnoughDataError(
                f"{self.model} has no example that can be asked",
                hint="give feedback with corrections, or answers rated 4 or 5",
            )
        evaluator = Evaluator(self.home, self.runtime, self._asking, base.gguf)
        return Sample(evaluator, prompts, base.tag, len(examples), tuple(cases), tuple(left_out))

    @cached_property
    def _asking(self) -> ModelSettings:
        """The model's settings, to ask nothing but the sample."""
        model = self.settings.models[self.model]
        asking = replace(
            model.evaluation, guard=False, consistency_seeds=0, reference_nll=False, encoder=None, latency_questions=0
        )
        return replace(model, evaluation=asking)

    def _examples(self) -> list[Example]:
        """What is taught, one example per prompt; what is held for secrets or personal data is not."""
        rows = self.store.feedback.all(self.model)
        held = set(held_hashes(self.store, self.model, self.settings.models[self.model].feedback))
        examples = resolve(FeedbackRecord.from_json(row.record) for row in rows).examples
        return [each for each in examples if each.record not in held]


def _askable(
    examples: Sequence[Example], size: int, prompts: ServedPrompts
) -> tuple[list[EvaluationCase], list[LeftOut]]:
    """The first `size` by chance, which is fixed for each prompt, that can be asked, and those before that cannot."""
    cases: list[EvaluationCase] = []
    left_out: list[LeftOut] = []
    for example in sorted(examples, key=lambda each: hashlib.sha256(f"triage {each.prompt_hash}".encode()).digest()):
        if len(cases) == size:
            break
        if fault := prompts.fault_of_example(example):
            left_out.append(LeftOut(example.record, example.source_id, fault))
        else:
            cases.append(case_of(example))
    return cases, left_out
