"""Which captured answers of a model may be judged."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from adapterd.capture.captures import Capture, Captures
from adapterd.capture.in_feedback import is_teachable
from adapterd.capture.recording import SAMPLE
from adapterd.chat import Message, Prompt, Role
from adapterd.dataset.cases import EvaluationCase
from adapterd.dataset.judgements import judgement_of
from adapterd.record import FeedbackRecord
from adapterd.review.directed import unlikeness
from adapterd.store import Store
from adapterd.store.evidence.comparisons import Purpose
from adapterd.store.reviews.reviews import Outcome


def prompt_of(capture: Capture) -> Prompt:
    """The turns of a capture that may be judged."""
    return tuple(Message(Role(turn["role"]), turn.get("content", "")) for turn in capture.turns)


@dataclass(frozen=True)
class Frame:
    """The captured answers of a model that may be judged: those that are whole, with plain turns, to prompts that no
    frozen set has. `frozen` are the hashes of those prompts."""

    store: Store
    captures: Captures
    model: str
    frozen: frozenset[str]

    @classmethod
    def of(cls, store: Store, captures: Captures, model: str) -> "Frame":
        """As things are now."""
        cases = (case for each in store.evaluation_sets.all(model) for case in each.cases)
        return cls(store, captures, model, frozenset(EvaluationCase.from_dict(case).prompt_hash for case in cases))

    def has(self, capture: Capture) -> bool:
        """Whether an answer may be judged as one of the model's."""
        return (
            capture.model.partition(":")[0] == self.model
            and is_teachable(capture)
            and capture.prompt_hash not in self.frozen
        )

    def by_chance(self, until: datetime | None = None) -> Iterator[Capture]:
        """Those of the sample, in the order of chance; those that came until a moment, if one is given."""
        moment = until.timestamp() if until else None
        return filter(self.has, self.captures.by_chance(self.model, SAMPLE, moment))

    def newest(self, most: int, *, faulty: bool) -> list[Capture]:
        """The newest of all, or of those that something is known to be wrong with."""
        return list(filter(self.has, self.captures.newest(self.model, most, faulty=faulty)))

    def disagreement(self) -> dict[str, float]:
        """How unlike live and the challenger answer, from 0 to 1, by the hash of the prompt; of prompts that both were
        asked so that people may choose."""
        open_one = self.store.comparisons.open(self.model, Purpose.CHALLENGE)
        if open_one is None:
            return {}
        waiting = self.store.choices.waiting(self.model, open_one.ours_digest, open_one.theirs_digest)
        return {each.prompt_hash: unlikeness(each.ours_answer, each.theirs_answer) for each in waiting}

    def outcome_elsewhere(self, capture: Capture) -> Outcome | None:
        """What feedback says of this very answer, whoever gave it."""
        for row in reversed(self.store.feedback.about(self.model, [capture.prompt_hash])):
            record = FeedbackRecord.from_json(row.record)
            if (record.output or "").strip() == capture.answer.strip():
                says = judgement_of(record)
                if says.bad or says.good:
                    return Outcome.BAD if says.bad else Outcome.GOOD
        return None
