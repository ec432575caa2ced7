"""From all that was said to what is taught: about each answer to a prompt the last verdict counts.

The later of two statements is the one with the later time; of two with the same time, the one that arrived later. An
example is the latest good answer to its prompt. What any statement but the last says of an answer is not used: what was
good once and is bad now is no example, and a preference whose better answer was judged bad or worse later is none. The
table is in docs/feedback.md.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from adapterd.dataset.examples import Example, PreferencePair
from adapterd.dataset.judgements import Judgement, SaidAnswer, Verdict, judgement_of
from adapterd.record import FeedbackRecord


class Use(StrEnum):
    """What a record is used for; `BAD`: it says that an answer is not to be imitated, and not which one is."""

    EXAMPLE = "example"
    PREFERENCE = "preference"
    REPLACED = "replaced"
    BAD = "bad"
    NOT_JUDGED = "not judged"
    REFUSED = "refused"


@dataclass(frozen=True)
class Teaching:
    """What one record teaches: its uses, and for REFUSED the reason."""

    uses: tuple[Use, ...]
    reason: str = ""

    @property
    def is_refused(self) -> bool:
        """Whether there is nothing to be taken."""
        return self.uses == (Use.REFUSED,)

    def as_dict(self) -> dict[str, object]:
        """Plain values, for programs."""
        return {"teaches": [str(use) for use in self.uses], "reason": self.reason}

    def __str__(self) -> str:
        named = " + ".join(self.uses)
        return f"{named}: {self.reason}" if self.reason else named


@dataclass(frozen=True)
class Resolution:
    """What all records together teach: one example per prompt at most, and the pairs; `teachings` has one entry for
    each record in their order. `set_aside` records would give an example each, were there no others."""

    examples: list[Example]
    pairs: list[PreferencePair]
    teachings: list[Teaching]
    set_aside: int


@dataclass(frozen=True)
class _Statement:
    """A record, what it says, and its place in the order in which statements count."""

    place: int
    index: int
    record: FeedbackRecord
    prompt_hash: str
    says: Judgement


@dataclass(frozen=True)
class _Preference:
    """An answer that was preferred to another one, and by which statement."""

    statement: _Statement
    better: SaidAnswer
    worse: SaidAnswer


def resolve(records: Iterable[FeedbackRecord], *, thinks: bool = True) -> Resolution:
    """What the records, in the order of their arrival, teach a model that `thinks`, or one that does not."""
    in_order = sorted(enumerate(records), key=lambda each: (each[1].created_at, each[0]))
    statements = [
        _Statement(place, index, record, record.prompt_hash, judgement_of(record, thinks=thinks))
        for place, (index, record) in enumerate(in_order)
    ]
    by_prompt: dict[str, list[_Statement]] = defaultdict(list)
    for statement in statements:
        by_prompt[statement.prompt_hash].append(statement)
    prompts = [_Prompt(said) for said in by_prompt.values()]
    taught = sorted((prompt for prompt in prompts if prompt.example), key=lambda each: each.example_index)
    preferences = sorted(
        ((preference, prompt) for prompt in prompts for preference in prompt.preferences),
        key=lambda each: each[0].statement.index,
    )
    uses: dict[int, list[Use]] = defaultdict(list)
    for prompt in taught:
        uses[prompt.example_index].append(Use.EXAMPLE)
    for index in dict.fromkeys(preference.statement.index for preference, _ in preferences):
        uses[index].append(Use.PREFERENCE)
    return Resolution(
        examples=[example for prompt in taught if (example := prompt.as_example())],
        pairs=[
            _pair_of(preference, imitate=prompt.may_imitate(preference.better)) for preference, prompt in preferences
        ],
        teachings=[_teaching(each.says, uses[each.index]) for each in sorted(statements, key=lambda each: each.index)],
        set_aside=sum(each.says.good is not None for each in statements) - len(taught),
    )


class _Prompt:
    """All that was said of the answers to one prompt, in the order in which it counts.

    `preferences` are those in force. `example` is the statement whose good answer is the example, if there is one.
    """

    def __init__(self, said: Sequence[_Statement]) -> None:
        self._said = said
        self._last: dict[tuple[str, Verdict], int] = {}
        self._approved: dict[str, int] = {}
        self._corrected: dict[str, int] = {}
        self._status: dict[str, Verdict] = {}
        for statement in said:
            self._hear(statement)
        self.preferences = self._in_force()
        self._worse = {each.worse.key for each in self.preferences}
        self.example = next((each for each in reversed(said) if self._is_example(each.says)), None)

    @property
    def example_index(self) -> int:
        """The place of the example's record among all records."""
        return self.example.index if self.example else -1

    def as_example(self) -> Example | None:
        """The example of the prompt, if there is one."""
        if self.example is None or self.example.says.good is None:
            return None
        record = self.example.record
        return Example(
            messages=record.messages,
            completion=self.example.says.good.text,
            record=record.content_hash,
            prompt_hash=self.example.prompt_hash,
            created_at=record.created_at,
            source_id=record.source_id,
            output_type=record.output_type,
            first_at=next(each.record.created_at for each in self._said if each.says.good),
            conversation_id=record.conversation_id,
            origin=record.application or "",
        )

    def may_imitate(self, answer: SaidAnswer) -> bool:
        """Whether the better answer of a pair is not bad by itself."""
        return answer.key not in self._worse and self._status.get(answer.key) not in (Verdict.BAD, Verdict.REJECTED)

    def _hear(self, statement: _Statement) -> None:
        says = statement.says
        for key, verdict in says.verdicts:
            self._last[key, verdict] = statement.place
            if says.relative and verdict is Verdict.GOOD and self._status.get(key) is Verdict.BAD:
                continue  # better than another one, which makes no bad answer good
            if verdict is not Verdict.PREFERRED or self._status.get(key) is Verdict.REJECTED:
                self._status[key] = verdict
        if says.good and not says.relative:
            self._approved[says.good.key] = statement.place
        if says.corrects:
            self._corrected[says.corrects.key] = statement.place

    def _is_example(self, says: Judgement) -> bool:
        good = says.good
        return good is not None and good.key not in self._worse and self._status[good.key] is Verdict.GOOD

    def _in_force(self) -> list[_Preference]:
        """The preferences that no later statement has replaced, each of them once, by the last who stated it."""
        last: dict[tuple[str, str], _Preference] = {}
        for statement in self._said:
            for better, worse in statement.says.preferences:
                last[better.key, worse.key] = _Preference(statement, better, worse)
        return [each for each in last.values() if self._holds(each)]

    def _holds(self, preference: _Preference) -> bool:
        better, worse, place = preference.better.key, preference.worse.key, preference.statement.place
        disliked = max(self._last.get((better, verdict), -1) for verdict in (Verdict.BAD, Verdict.REJECTED))
        corrects = preference.statement.says.corrects
        corrected_anew = corrects and corrects.key == worse and self._corrected[worse] > place
        return disliked <= place and self._approved.get(worse, -1) <= place and not corrected_anew


def _pair_of(preference: _Preference, *, imitate: bool) -> PreferencePair:
    record = preference.statement.record
    return PreferencePair(
        messages=record.messages,
        chosen=preference.better.text,
        rejected=preference.worse.text,
        record=record.content_hash,
        prompt_hash=preference.statement.prompt_hash,
        created_at=record.created_at,
        source_id=record.source_id,
        imitate=imitate,
        conversation_id=record.conversation_id,
    )


def _teaching(says: Judgement, uses: Sequence[Use]) -> Teaching:
    if says.fault:
        return Teaching((*uses, Use.REFUSED), says.fault)
    if uses:
        return Teaching(tuple(uses))
    if says.good or says.preferences:
        return Teaching((Use.REPLACED,))
    return Teaching((Use.BAD if says.bad or says.rejected else Use.NOT_JUDGED,))
