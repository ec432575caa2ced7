"""All that is measured besides the texts of answers, each part where the configuration asks for it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from adapterd.chat import Answer, Ask, ChatOptions, Message, as_dicts
from adapterd.dataset.askable import PLAIN
from adapterd.evaluation.evaluate import Answers
from adapterd.evaluation.metrics.metric import Question
from adapterd.evaluation.metrics.text_forms import without_fence
from adapterd.evidence.kept_answers import answer_hash, case_hash
from adapterd.runs.measuring.latency import timed_in_turn
from adapterd.runs.measuring.likelihoods import ReferenceLikelihoods
from adapterd.runs.measuring.token_matching import TokenMatching
from adapterd.runs.served_prompts import ServedPrompts

Rubric = Mapping[str, Mapping[str, Mapping[str, float]]]
"""What people or judges scored: by tag, by the case's id, by the metric's name."""
Marks = Mapping[tuple[str, str], Mapping[str, float]]
"""What people marked on the page: by the hashes of case and answer, by the metric's name."""


@dataclass(frozen=True)
class Figures:
    """Measures tags that were asked with these `options`; `cache` is the folder of what is kept between evaluations."""

    prompts: ServedPrompts
    options: ChatOptions
    cache: Path
    rubric: Rubric
    marks: Marks

    def added(
        self, questions: Sequence[Question], answers: Mapping[str, Answers], report: Callable[[str], object]
    ) -> tuple[dict[str, Answers], tuple[str, ...]]:
        """The answers to these questions with their figures, and sentences on what could not be measured; `report` gets
        the name of a tag each time it was asked again."""
        asked, runtime = self.prompts.settings.evaluation, self.prompts.runtime
        found, notes = dict(answers), list[str]()
        if asked.reference_nll:
            found, said = ReferenceLikelihoods(self.prompts, self.cache).added(questions, found)
            notes += said
        if asked.encoder:
            matching = TokenMatching(runtime, asked.encoder, self.prompts.gguf)
            found, said = matching.added(questions, found, {name: self._read(given) for name, given in found.items()})
            notes += said
        if asked.latency_questions:
            found = timed_in_turn(questions[: asked.latency_questions], found, self._ask, self._load, report)
        return {name: self._with_rubric(questions, given) for name, given in found.items()}, tuple(notes)

    def _read(self, given: Answers) -> list[str]:
        """The texts as they are scored."""
        texts = [answer.text for answer in given.answers]
        return list(map(without_fence, texts)) if self.prompts.settings.evaluation.strip_fences else texts

    def _load(self, tag: str) -> None:
        """Have a tag in memory with the context that it is asked in; in another one it would be loaded again."""
        self.prompts.runtime.render(tag, PLAIN, think=self.options.think, num_ctx=self.options.num_ctx)

    def _ask(self, tag: str) -> Ask:
        def ask(messages: Sequence[Message]) -> Answer:
            return self.prompts.runtime.chat(tag, messages, self.options)

        return ask

    def _with_rubric(self, questions: Sequence[Question], given: Answers) -> Answers:
        known = self.rubric.get(given.tag, {})
        places = {place: known[question.id] for place, question in enumerate(questions) if question.id in known}
        return with_marks(questions, given.with_figures(places), self.marks)


def with_marks(questions: Sequence[Question], given: Answers, marks: Marks) -> Answers:
    """The answers with what people marked of these very texts."""
    if not marks:
        return given
    keys = [
        (case_hash(as_dicts(question.messages), question.reference), answer_hash(answer.text))
        for question, answer in zip(questions, given.answers, strict=True)
    ]
    return given.with_figures({place: marks[key] for place, key in enumerate(keys) if key in marks})
