"""Which prompts no version was trained on: only these may judge when a set is frozen by hand.

What a version was trained on is known by what there was when its run began: all that taught something, and what
teachers had made, but for the prompts of the sets that were frozen by then. That takes prompts for trained on that were
left out as too long, say.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property

from adapterd.chat import Prompt, from_dicts
from adapterd.config import Sources
from adapterd.dataset.cases import EvaluationCase
from adapterd.dataset.examples import Example
from adapterd.dataset.judgements import judgement_of
from adapterd.dataset.leaks.conversations import Judged, given_away
from adapterd.dataset.leaks.groups import Member, groups_of
from adapterd.dataset.leaks.near_duplicates import cases_near
from adapterd.dataset.split import MIN_USABLE_PROMPTS
from adapterd.dataset.statements import resolve
from adapterd.record import FeedbackRecord, prompt_hash
from adapterd.runs.reuse import TRAINING
from adapterd.store import Store
from adapterd.store.runs import StageState

TRAINED_ON = "a version was trained on its prompt"
NEARLY_TRAINED_ON = "a version was trained on nearly the same prompt"
GIVEN_AWAY = "a version was trained on a prompt that goes on behind it, or has its answer in it"
MOST_RUNS = 1_000_000
"""All of them."""


@dataclass(frozen=True)
class TrainedPrompts:
    """The prompts that versions of a model were trained on, each once, by its hash."""

    by_hash: dict[str, Member]

    @classmethod
    def of(cls, store: Store, model: str) -> "TrainedPrompts":
        """Of all versions there ever were."""
        trainings = _trainings(store, model)
        found: dict[str, Member] = {}
        for number, text in store.feedback.ever(model):
            record = FeedbackRecord.from_json(text)
            prompt = record.prompt_hash
            says = judgement_of(record)
            if prompt in found or not (says.good or says.preferences):
                continue
            if any(number <= each.last_id and prompt not in each.frozen for each in trainings):
                answer = record.correction or record.output or ""
                found[prompt] = Member(record.messages, answer, record.source_id, record.conversation_id)
        for made in store.teaching.examples.ever_kept(model):
            prompt = made.prompt_hash
            if prompt not in found and any(
                made.created_at <= each.began_at and prompt not in each.frozen for each in trainings
            ):
                found[prompt] = Member(from_dicts(list(made.messages)), made.answer, None, None)
        return cls(found)

    def known(self, cases: Sequence[EvaluationCase]) -> list[str]:
        """For each case, why what was trained on knows it; empty where it does not."""
        if not self.by_hash:
            return [""] * len(cases)
        near = cases_near(self._prompts, [case.messages for case in cases])
        away = given_away(self._prompts, [Judged(case.messages, case.reference) for case in cases])
        return [
            TRAINED_ON
            if case.prompt_hash in self.by_hash
            else NEARLY_TRAINED_ON * is_near or GIVEN_AWAY * is_given_away
            for case, is_near, is_given_away in zip(cases, near, away, strict=True)
        ]

    @cached_property
    def _prompts(self) -> list[Prompt]:
        return [each.messages for each in self.by_hash.values()]


@dataclass(frozen=True)
class _Training:
    """One that ended: when it began, the newest feedback that there was, and the prompts that were frozen by then, or
    waited for a set to grow."""

    began_at: datetime
    last_id: int
    frozen: set[str]


def _trainings(store: Store, model: str) -> list[_Training]:
    """Every training of the model."""
    sets = [
        (each.created_at, {prompt_hash(from_dicts(case["messages"])) for case in each.cases})
        for each in store.evaluation_sets.all(model)
    ]
    found = []
    for run in store.runs.newest(model, MOST_RUNS):
        waiting = set[str]()
        for stage in store.runs.stages(run.id):
            waiting |= set((stage.result or {}).get("waiting") or ())
            if stage.name == TRAINING and stage.state is StageState.DONE:
                frozen = set[str]().union(*(prompts for at, prompts in sets if at <= stage.started_at))
                found.append(_Training(stage.started_at, run.last_feedback_id, frozen | waiting))
    return found


def unseen_examples(store: Store, model: str, trained: TrainedPrompts, sources: Sources) -> list[Example]:
    """The examples whose prompts no version was trained on, nor, where enough others are there, one of the same source
    or conversation."""
    rows = store.feedback.all(model)
    origins = {row.content_hash: row.origin for row in rows}
    examples = [
        replace(each, origin=each.origin or origins[each.record])
        for each in resolve(FeedbackRecord.from_json(row.record) for row in rows).examples
        if each.prompt_hash not in trained.by_hash
    ]
    if sources is Sources.MIXED:
        return examples
    members = [Member(each.messages, each.completion, each.source_id, each.conversation_id) for each in examples]
    numbers = groups_of([*members, *trained.by_hash.values()])
    known = set(numbers[len(examples) :])
    apart = [each for each, number in zip(examples, numbers, strict=False) if number not in known]
    return apart if len(apart) >= MIN_USABLE_PROMPTS else examples
