"""What the feedback of a model teaches, one example and pair after the other.

Prompts are looked at part by part, by their hashes, so that memory does not grow with the feedback. What is taught is
what the dataset stage teaches; its rules that need a tokenizer, or everything at once, are not applied (see
docs/feedback-formats.md).
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime

from adapterd.chat import Prompt
from adapterd.config import ModelSettings, Think
from adapterd.dataset.askable import fault_of_text
from adapterd.dataset.cases import EvaluationCase
from adapterd.dataset.curation.balance import stratum_of
from adapterd.dataset.curation.copied import fault_of_copy
from adapterd.dataset.examples import Example, PreferencePair
from adapterd.dataset.export import Part, StatedPair, stated_pairs
from adapterd.dataset.leaks.conversations import Judged, gives_away
from adapterd.dataset.leaks.near_duplicates import near_duplicates_of
from adapterd.dataset.statements import Resolution, resolve
from adapterd.dataset.validation import Arrival, validating
from adapterd.errors import NotFoundError
from adapterd.insight.dataset_export.of_teachers import OfTeachers
from adapterd.intake.screening import held_hashes
from adapterd.record import FeedbackRecord
from adapterd.store import Store

AT_ONCE = 2_500
"""Records whose prompts are looked at in one go."""
FROZEN = "its prompt is in a frozen evaluation set, which only judges"
NEARLY_FROZEN = "its prompt is nearly the same as one of a frozen evaluation set"
GIVES_AWAY = "its prompt goes on behind one of a frozen evaluation set, or has its answer in it"
HELD = "held for secrets or personal data; `adapterctl feedback quarantine` lists these records"
COPIED = "its answer copies long passages of its prompt (dataset.max_copied)"
NO_TEXT = "it has characters that cannot be written"

_FIRST_LOOK = 0.9
"""The share of the time that the first of two looks takes."""

Progress = Callable[[float], object]


@dataclass(frozen=True)
class Taught:
    """One example or pair, and the set that it is in; None where training and validation are not told apart. A teacher
    made what is `synthetic`."""

    what: Example | StatedPair
    part: Part | None
    synthetic: bool = False


@dataclass
class TaughtFeedback:
    """What feedback teaches; `left_out` counts, once `items` is through, what training leaves out, too, by whether it
    is an example or a pair, and why. `on_scan` gets the share of the records that are scanned for secrets and personal
    data, 0…1, where that takes a while. What teachers made comes behind what people said, as far as a run would train
    on it."""

    store: Store
    model: str
    settings: ModelSettings
    on_scan: Progress = lambda _: None
    of_teachers: OfTeachers = field(default_factory=OfTeachers)
    left_out: Counter[tuple[type, str]] = field(default_factory=Counter)
    _faults: dict[tuple[str, str], str] = field(default_factory=dict)
    _knows_faults: bool = False
    _has_cases: bool = False

    def items(self, parts: AbstractSet[Part], *, divide: bool, progress: Progress = lambda _: None) -> Iterator[Taught]:
        """The examples and pairs of these sets; without `divide`, training and validation are not told apart.

        `progress` gets the share done, 0…1. Raises NotFoundError where the evaluation set is wanted alone and there is
        none.
        """
        self._has_cases = Part.EVALUATION in parts
        if parts != {Part.EVALUATION}:
            held = set(held_hashes(self.store, self.model, self.settings.feedback, self.on_scan))
            begin = 0.0
            validation: AbstractSet[str] = set()
            if divide:
                begin = _FIRST_LOOK
                validation = self._validating(held, lambda share: progress(share * begin))
                self.left_out.clear()
                self._knows_faults = True
            for what in self._taught(held, lambda share: progress(begin + share * (1 - begin))):
                part = Part.VALIDATION if _example_or_pair(what).prompt_hash in validation else Part.TRAIN
                if not divide or part in parts:
                    yield Taught(what, part if divide else None)
            for what, part in self._made_by_teachers(validation, held):
                if not divide or part in parts:
                    yield Taught(what, part if divide else None, synthetic=True)
        if Part.EVALUATION in parts:
            yield from self._frozen(is_wanted=parts == {Part.EVALUATION})
        progress(1.0)

    def _taught(self, held: AbstractSet[str], progress: Progress) -> Iterator[Example | StatedPair]:
        cases = _Cases.of(self.store, self.model)
        progress(0.0)
        parts = _parts(self.store.feedback.count(self.model))
        for done, places in enumerate(parts, start=1):
            rows = (self.store.feedback.about_the_same(self.model, after_id=0, begins_with=place) for place in places)
            records = [FeedbackRecord.from_json(row.record) for some in rows for row in some]
            said = resolve(records, thinks=self.settings.think is not Think.OFF)
            self.of_teachers.see(records, said.examples)
            yield from self._without_faults(said, cases, held)
            progress(done / len(parts))

    def _made_by_teachers(
        self, validating: AbstractSet[str], held: AbstractSet[str]
    ) -> Iterator[tuple[Example | StatedPair, Part]]:
        if not self.of_teachers.made:
            return
        sets = self.store.evaluation_sets.all(self.model)
        cases = {each.prompt_hash: each for one in sets for each in map(EvaluationCase.from_dict, one.cases)}
        most = self.settings.dataset.max_copied
        yield from self.of_teachers.items(
            list(cases.values()), self.settings.dataset,
            lambda each: _fault_of_answer(each.messages, each.completion, most), validating, held,
        )  # fmt: skip
        self.left_out.update({(Example, reason): count for reason, count in self.of_teachers.left_out.items()})

    def _without_faults(
        self, said: Resolution, cases: "_Cases", held: AbstractSet[str]
    ) -> Iterator[Example | StatedPair]:
        everything: list[Example | PreferencePair] = [*said.examples, *said.pairs]
        if not self._knows_faults:
            self._faults.update(self._faults_of(everything, cases, held))
        for each in everything:
            fault = self._fault(each)
            is_case = self._has_cases and isinstance(each, Example) and each.prompt_hash in cases.in_force
            if fault and not (fault == FROZEN and is_case):
                self.left_out[type(each), fault] += 1
        examples = [each for each in said.examples if not self._fault(each)]
        yield from examples
        yield from stated_pairs(examples, (each for each in said.pairs if not self._fault(each)))

    def _fault(self, each: Example | PreferencePair) -> str:
        return self._faults.get(_key(each), "")

    def _faults_of(
        self, everything: Sequence[Example | PreferencePair], cases: "_Cases", held: AbstractSet[str]
    ) -> dict[tuple[str, str], str]:
        """Why some examples and pairs are not taught."""
        leaks = cases.leaks({each.prompt_hash: each.messages for each in everything})
        most = self.settings.dataset.max_copied
        known: dict[tuple[str, str], str] = {}  # of an answer, which an example and its pairs share
        found = {}
        for each in everything:
            taught = each.completion if isinstance(each, Example) else each.chosen
            answer = each.prompt_hash, taught
            if answer not in known:
                known[answer] = _fault_of_answer(each.messages, taught, most)
            fault = leaks.get(each.prompt_hash) or (HELD if each.record in held else known[answer])
            if isinstance(each, PreferencePair):
                fault = fault or (NO_TEXT if fault_of_text(each.rejected) else "")
            if fault:
                found[_key(each)] = fault
        return found

    def _validating(self, held: AbstractSet[str], progress: Progress) -> AbstractSet[str]:
        """The prompts of the validation set, by the rule of training: a sample that stays while more arrives."""
        arrivals: dict[str, Arrival] = {}
        for what in self._taught(held, progress):
            each = _example_or_pair(what)
            if each.prompt_hash not in arrivals:
                arrivals[each.prompt_hash] = self._arrival(each)
        if len(arrivals) < 2:
            return set()
        return validating(arrivals.values(), arrivals.keys(), self.settings.dataset.validation_share)

    def _arrival(self, each: Example | PreferencePair) -> Arrival:
        at, stratum = each.created_at, None
        if isinstance(each, Example):
            at, stratum = each.first_at or at, stratum_of(each, self.settings.dataset.balance)
        return Arrival(each.prompt_hash, each.source_id or each.conversation_id, at, stratum)

    def _frozen(self, *, is_wanted: bool) -> Iterator[Taught]:
        """The cases of the set in force as examples, with their references."""
        newest = self.store.evaluation_sets.newest(self.model)
        if newest is None and is_wanted:
            raise NotFoundError(
                f"{self.model} has no frozen evaluation set yet",
                hint="the first run makes one, or `adapterctl eval freeze`",
            )
        if newest:
            for values in newest.cases:
                case = EvaluationCase.from_dict(values)
                yield Taught(_example_of(case, newest.created_at), Part.EVALUATION)


@dataclass(frozen=True)
class _Cases:
    """The cases of all sets that were ever frozen."""

    prompt_hashes: frozenset[str]
    in_force: frozenset[str]
    judged: Sequence[Judged]

    @classmethod
    def of(cls, store: Store, model: str) -> "_Cases":
        sets = [[EvaluationCase.from_dict(each) for each in one.cases] for one in store.evaluation_sets.all(model)]
        distinct = {(each.messages, each.reference): each.prompt_hash for one in sets for each in one}
        in_force = frozenset(each.prompt_hash for each in sets[-1]) if sets else frozenset[str]()
        return cls(frozenset(distinct.values()), in_force, [Judged(*each) for each in distinct])

    def leaks(self, prompts: dict[str, Prompt]) -> dict[str, str]:
        """The reasons by hash why prompts are not taught; empty for one that is."""
        if not self.judged:
            return {}
        asked = [each for name, each in prompts.items() if name not in self.prompt_hashes]
        near = iter(near_duplicates_of(asked, [case.messages for case in self.judged]))
        away = iter(gives_away(asked, self.judged))
        return {
            name: FROZEN if name in self.prompt_hashes else _leak(next(near), next(away)) for name in prompts
        }  # fmt: skip


def _parts(records: int) -> list[list[str]]:
    """What the hashes of prompts begin with, in parts with AT_ONCE records each, or few more."""
    if records <= AT_ONCE:
        return [[""]]
    places = [f"{number:02x}" for number in range(256)]
    size = max(1, len(places) * AT_ONCE // records)
    return [places[start : start + size] for start in range(0, len(places), size)]


def _leak(is_near: bool, is_given_away: bool) -> str:
    return NEARLY_FROZEN if is_near else GIVES_AWAY if is_given_away else ""


def _example_or_pair(what: Example | StatedPair) -> Example | PreferencePair:
    return what.pair if isinstance(what, StatedPair) else what


def _key(each: Example | PreferencePair) -> tuple[str, str]:
    """What tells apart what one record teaches: an example, and pairs with different worse answers."""
    return each.record, each.rejected if isinstance(each, PreferencePair) else ""


def _fault_of_answer(messages: Prompt, answer: str, most: float) -> str:
    if any(fault_of_text(text) for text in (answer, *(turn.content for turn in messages))):
        return NO_TEXT
    return COPIED if fault_of_copy(messages, answer, most) else ""


def _example_of(case: EvaluationCase, at: datetime) -> Example:
    return Example(case.messages, case.reference, case.record, case.prompt_hash, at, source_id=case.source_id)
