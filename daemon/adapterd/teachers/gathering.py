"""What teachers can be asked for a model: prompts without an answer, bad answers, people's examples, documents."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from itertools import chain, islice
from pathlib import Path

from adapterd.capture.captures import Captures
from adapterd.chat import ChatOptions, Prompt, from_dicts
from adapterd.config import TeachingSettings
from adapterd.dataset.examples import Example
from adapterd.dataset.judgements import judgement_of
from adapterd.dataset.statements import resolve
from adapterd.record import FeedbackRecord, prompt_hash
from adapterd.review.frame import Frame, prompt_of
from adapterd.store import Store
from adapterd.store.teaching.examples import BY_PERSON, ExampleState, Outline
from adapterd.teachers.documents.passages import Passage, passages, together
from adapterd.teachers.documents.reading import Reading
from adapterd.teachers.request import Kind
from adapterd.teachers.writing.draft import Draft
from adapterd.teachers.writing.of_documents import of_passages
from adapterd.teachers.writing.of_feedback import answer, repair, variation, worse

SHARES = {Kind.GROUNDED: 0.6, Kind.SYNTHESIS: 0.2, Kind.REFUSAL: 0.2}
"""Of the examples from documents."""
QUESTIONS, WAYS = 8, 3
"""So many questions are asked of a passage, and so many variations of an example, at most."""


def amounts(settings: TeachingSettings, kinds: Collection[Kind] = (), limit: int | None = None) -> dict[Kind, int]:
    """How many of each kind are looked for: those of the settings, or, of the kinds that are named, up to `limit`."""
    wanted = {
        Kind.ANSWER: settings.answers, Kind.REPAIR: settings.repairs, Kind.VARIATION: settings.variations,
        Kind.WORSE: settings.worse,
        **{kind: round(settings.from_documents * share) for kind, share in SHARES.items()},
    }  # fmt: skip
    return {kind: count if limit is None else limit for kind, count in wanted.items() if kind in kinds} or wanted


def within(counts: Mapping[Kind, int], limit: int | None) -> dict[Kind, int]:
    """So many of each kind that these are at most `limit` in all, in the same proportions."""
    total = sum(counts.values())
    if limit is None or total <= limit:
        return dict(counts)
    exact = {kind: count * limit / total for kind, count in counts.items()}
    whole = {kind: int(count) for kind, count in exact.items()}
    most_cut = sorted(exact, key=lambda kind: whole[kind] - exact[kind])
    for kind in most_cut[: limit - sum(whole.values())]:
        whole[kind] += 1
    return whole


@dataclass(frozen=True)
class Sources:
    """Where examples of a model can be made from. `held` gives, by content hash, feedback that waits for its release,
    and is asked where feedback is looked at. `tokens` counts those of a text, `schema` is the text of the JSON Schema
    of the task, if it has one. A model that `thinks` is shown as one."""

    store: Store
    model: str
    settings: TeachingSettings
    options: ChatOptions
    captures: Captures | None = None
    held: Callable[[], Collection[str]] = tuple
    schema: str | None = None
    documents: Path | None = None
    tokens: Callable[[str], int] = len
    thinks: bool = True
    on_read: Callable[[float], object] = lambda _share: None
    """Gets the share of the documents that are read and cut, 0…1, where these are large."""
    left_out: list[str] = field(default_factory=list)
    """Of documents and their lines, why they were not read."""

    def drafts(self, wanted: Mapping[Kind, int], is_open: Callable[[Draft], bool]) -> dict[Kind, list[Draft]]:
        """Of each kind as many as are wanted, as far as there is something to make them from that `is_open`.
        Raises InputError for documents that cannot be read."""
        makers: dict[Kind, Callable[[], Iterator[Draft]]] = {
            Kind.ANSWER: self._answers, Kind.REPAIR: self._repairs, Kind.VARIATION: self._variations,
            Kind.WORSE: self._worse,
            **{kind: partial(self._from_documents, kind) for kind in SHARES},
        }  # fmt: skip
        return {kind: list(islice(filter(is_open, makers[kind]()), count)) for kind, count in wanted.items() if count}

    @cached_property
    def _records(self) -> list[FeedbackRecord]:
        held, rows = self.held(), self.store.feedback.all(self.model)
        return [each for row in rows if (each := FeedbackRecord.from_json(row.record)).content_hash not in held]

    @cached_property
    def _frozen(self) -> set[str]:
        return self.store.prompts.frozen_hashes(self.model)

    @cached_property
    def people(self) -> list[Example]:
        """What people wrote, the newest first; frozen cases are not among them."""
        taught = [
            each for each in resolve(self._records, thinks=self.thinks).examples if each.prompt_hash not in self._frozen
        ]
        return sorted(taught, key=lambda each: each.created_at, reverse=True)

    @property
    def _shown(self) -> Sequence[Example]:
        return self.people[: self.settings.shown]

    @cached_property
    def _outlines(self) -> list[Outline]:
        return self.store.teaching.examples.outlines(self.model)

    def _used(self, kind: Kind) -> set[str]:
        """The prompts and records of which this was made already; what a filter dropped, another teacher may make."""
        made = [
            each
            for each in self._outlines
            if each.kind == kind and (each.state is not ExampleState.DROPPED or each.filter == BY_PERSON)
        ]
        return {name for each in made for name in (each.prompt_hash, *each.records)}

    def _structured(self) -> ChatOptions:
        return replace(self.options, schema=self.schema)

    def _answers(self) -> Iterator[Draft]:
        used, options = self._used(Kind.ANSWER) | self._frozen, self._structured()
        for name, prompt, records in chain(self._pooled(), self._captured()):
            if name not in used:
                used.add(name)
                yield answer(prompt, options, self._shown, records)

    def _pooled(self) -> Iterator[tuple[str, Prompt, tuple[str, ...]]]:
        for each in self.store.prompts.newest(self.model, -1, only_open=True):
            yield each.prompt_hash, from_dicts(each.messages), ()

    def _captured(self) -> Iterator[tuple[str, Prompt, tuple[str, ...]]]:
        """Captured prompts of which nobody said anything, in the order of chance."""
        if self.captures is None:
            return
        used = self._used(Kind.ANSWER)
        for each in Frame.of(self.store, self.captures, self.model).by_chance():
            if each.prompt_hash not in used and not self.store.feedback.known_prompts(self.model, [each.prompt_hash]):
                prompt = prompt_of(each)
                yield prompt_hash(prompt), prompt, (each.id,)

    def _repairs(self) -> Iterator[Draft]:
        """Bad answers to prompts that have no good one, the newest first."""
        used, options = self._used(Kind.REPAIR) | self._frozen, self._structured()
        used |= {each.prompt_hash for each in self.people}
        for record in sorted(self._records, key=lambda each: each.created_at, reverse=True):
            says = judgement_of(record, thinks=self.thinks)
            if (says.bad or says.rejected) and not says.good and record.prompt_hash not in used:
                used.add(record.prompt_hash)
                yield repair(record, options, self._shown)

    def _variations(self) -> Iterator[Draft]:
        """In each round all examples, in another way each time."""
        for number in range(WAYS):
            yield from (variation(each, self.options, number) for each in self.people)

    def _worse(self) -> Iterator[Draft]:
        used, options = self._used(Kind.WORSE), self._structured()
        yield from (worse(each, options) for each in self.people if each.prompt_hash not in used)

    @cached_property
    def _passages(self) -> list[Passage]:
        if self.documents is None:
            return []
        reading = Reading(self.documents, self.left_out, self.on_read)
        most = self.settings.chunk_tokens
        return [each for document in reading.documents() for each in passages(document, self.tokens, most)]

    def _from_documents(self, kind: Kind) -> Iterator[Draft]:
        """In each round all passages, or all pairs of them, with another question each time."""
        if kind is Kind.SYNTHESIS:
            groups: Sequence[tuple[Passage, ...]] = together(self._passages, len(self._passages))
        else:
            groups = [(each,) for each in self._passages]
        for number in range(QUESTIONS if groups else 0):
            yield from (of_passages(kind, each, self.options, number) for each in groups)
