"""Examples made by a teacher: asked, filtered, and kept with what each filter said."""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

from adapterd.chat import as_dicts, from_dicts
from adapterd.config import ModelSettings, Task
from adapterd.dataset.cases import EvaluationCase
from adapterd.dataset.curation.balance import labels_of
from adapterd.dataset.examples import Example
from adapterd.evaluation.metrics.json_answers.schema import JsonSchema, read_schema
from adapterd.formats.teacher_yield import in_words
from adapterd.record import prompt_hash
from adapterd.store import Store
from adapterd.store.teaching.examples import FORM, UNJUDGED, ExampleState, NewExample
from adapterd.store.teaching.requests import RequestState
from adapterd.teachers.clients.ollama import OllamaTeacher
from adapterd.teachers.clients.openai import OpenAITeacher
from adapterd.teachers.filters.chain import Sifted, sift
from adapterd.teachers.filters.verdict import Against, Known
from adapterd.teachers.filters.yields import Yield
from adapterd.teachers.last_filter import NOT_YET, JudgedExamples
from adapterd.teachers.request import Candidate, Kind, TeacherReply, TeacherRequest
from adapterd.teachers.work import Budget, Ended, Outcome, Planned, WorkProgress, ask_all, replies
from adapterd.teachers.writing.draft import Draft

OF_ONE_PROMPT = frozenset((Kind.ANSWER, Kind.REPAIR, Kind.WORSE))
"""Of these the prompt is known beforehand."""
SAMPLED = frozenset((Kind.ANSWER, Kind.REPAIR))
"""Of these several answers can agree."""


@dataclass(frozen=True)
class Taught:
    """What came of asking a teacher: `made` counts the candidates of each kind, `counted` what the filters kept, and
    `formless` are answers without the form that was asked for; `judged` tells of the judge, where one is the last
    filter, and `earlier` is the yield of what it said of examples of earlier rounds."""

    teacher: str
    outcome: Outcome
    made: Mapping[Kind, int] = field(default_factory=dict)
    counted: Yield = field(default_factory=Yield)
    formless: int = 0
    judged: JudgedExamples | None = None
    earlier: Yield = field(default_factory=Yield)

    def judged_by(self, judged: JudgedExamples, run: str) -> "Taught":
        """With what the judge said."""
        return replace(self, counted=judged.within(self.counted, run), judged=judged, earlier=judged.of_others(run))

    def __str__(self) -> str:
        more, now = "", self.outcome
        if self.earlier.made:
            judged = in_words(self.earlier.as_dict()).replace("made", "judged", 1)
            more = f"; of earlier rounds {judged}"
        if now.ended is not Ended.UNAVAILABLE and now.refused + now.failed:
            more += f"; {now.refused} requests were refused, and {now.failed} failed: {now.error}"
        return f"{in_words(self.counted.as_dict(self.formless))}{more}"


def is_open(store: Store, model: str, teacher: str, teacher_model: str) -> Callable[[Draft], bool]:
    """Says of a draft whether nothing was made of it yet, whether the teacher did not refuse it, and whether it did not
    try the same prompt before, with other examples shown."""
    made = store.teaching.examples.outlines(model)
    used = {each.request_key for each in made}
    of_teacher = (each for each in made if (each.teacher, each.teacher_model) == (teacher, teacher_model))
    tried = {(each.kind, each.prompt_hash) for each in of_teacher}
    refused = store.teaching.requests.keys(model, RequestState.REFUSED)

    def is_new(draft: Draft) -> bool:
        key = draft.request.key(teacher, teacher_model)
        is_tried = draft.kind in OF_ONE_PROMPT and (draft.kind, _prompt_of(draft)) in tried
        return not is_tried and key not in used and key not in refused

    return is_new


def _prompt_of(draft: Draft) -> str:
    made = draft.make("an answer")
    return prompt_hash(made.messages) if made else ""


def held_against(store: Store, model: str, settings: ModelSettings, people: Sequence[Example]) -> Against:
    """What candidates of a model are held against; `people` are the examples that people gave, and what waits for a
    judge counts as kept. Raises InputError for a schema that cannot be read."""
    cases = [EvaluationCase.from_dict(case) for each in store.evaluation_sets.all(model) for case in each.cases]
    labels = labels_of(people) if settings.task is Task.CLASSIFICATION else set()
    known = [Known(each.messages, each.completion, each.record, by_person=True) for each in people]
    kept = [*store.teaching.examples.all(model, ExampleState.KEPT), *store.teaching.examples.unjudged(model)]
    known += [
        Known(from_dicts(list(each.messages)), each.answer, f"synthetic:{each.id}")
        for each in kept
        if each.rejected is None
    ]
    return Against(
        settings.task, JsonSchema(read_schema(settings.schema)) if settings.schema else None, frozenset(labels),
        [case.messages for case in cases], known, settings.dataset.max_copied,
    )  # fmt: skip


def teach(
    store: Store,
    model: str,
    teacher: OllamaTeacher | OpenAITeacher,
    drafts: Mapping[Kind, Sequence[Draft]],
    against: Against,
    *,
    run: str,
    budget: Budget,
    parallel: int = 1,
    agreement: int = 1,
    is_judged: bool = False,
    progress: Callable[[WorkProgress], object] = lambda _: None,
) -> Taught:
    """Ask the teacher for all drafts, filter what it said, and keep that with the reasons; `run` names what asked. What
    `is_judged` by a model as the last filter waits for it, unsure.

    What ends early, by Ctrl-C or a bound, keeps what there is. Raises ConfigError and NotFoundError for a wrong key,
    address or model, before anything is made, and StoreError.
    """
    samples = [(each, _samples(each, agreement)) for some in drafts.values() for each in some]
    planned = [Planned(request, (*each.records, *each.shown)) for each, requests in samples for request in requests]

    async def work() -> Outcome:
        async with teacher:
            return await ask_all(planned, teacher, store, model, budget=budget, parallel=parallel, progress=progress)

    outcome = asyncio.run(work())
    ended = [(each, some) for each, some in samples if _have_ended(store, model, teacher, some)]
    said = iter(replies(store, model, teacher, [request for _, some in ended for request in some]))
    made, formless = _candidates(teacher.name, [(each, list(islice(said, len(some)))) for each, some in ended])
    sifted = sift([each for each, _ in made], against)
    passed = (ExampleState.UNSURE, UNJUDGED, NOT_YET) if is_judged else (ExampleState.KEPT, None, None)
    _keep(store, model, teacher, sifted, {id(each): draft for each, draft in made}, formless, run, passed)
    counts = {kind: sum(each.kind is kind for each, _ in made) for kind in drafts}
    return Taught(teacher.name, outcome, counts, sifted.counted, len(formless))


def _samples(draft: Draft, agreement: int) -> list[TeacherRequest]:
    if draft.kind not in SAMPLED:
        return [draft.request]
    return [draft.request.again(number) for number in range(agreement)]


def _have_ended(
    store: Store, model: str, teacher: OllamaTeacher | OpenAITeacher, requests: Sequence[TeacherRequest]
) -> bool:
    """Whether all answers that have to agree are there, or were refused."""
    keys = {each.key(teacher.name, teacher.model) for each in requests}
    states = store.teaching.requests.states(model, list(keys))
    return len(states) == len(keys) and all(state is not RequestState.ASKED for state, _ in states.values())


def _candidates(
    teacher: str, answered: Sequence[tuple[Draft, Sequence[TeacherReply | None]]]
) -> tuple[list[tuple[Candidate, Draft]], list[tuple[Draft, str]]]:
    """The candidates with their drafts, and the drafts whose answer has not the form that was asked for, with that."""
    made, formless = list[tuple[Candidate, Draft]](), list[tuple[Draft, str]]()
    for draft, (first, *more) in answered:
        if first is None:
            continue
        candidate = draft.candidate(teacher, first, more)
        if candidate is None:
            formless.append((draft, first.text))
        else:
            made.append((candidate, draft))
    return made, formless


def _keep(
    store: Store,
    model: str,
    teacher: OllamaTeacher | OpenAITeacher,
    sifted: Sifted,
    draft_of: Mapping[int, Draft],
    formless: Collection[tuple[Draft, str]],
    run: str,
    passed: tuple[ExampleState, str | None, str | None],
) -> None:
    """Keep all with what was said of each; `passed` is said of those that passed all filters."""

    def new(candidate: Candidate, draft: Draft, state: ExampleState, by: str | None, reason: str | None) -> NewExample:
        return NewExample(
            candidate.kind, teacher.name, teacher.model, prompt_hash(candidate.messages), as_dicts(candidate.messages),
            candidate.answer, state, candidate.rejected, candidate.sources, candidate.source_ids, candidate.records,
            draft.request.key(teacher.name, teacher.model), by, reason, run,
        )  # fmt: skip

    found: list[tuple[Candidate, Draft, ExampleState, str | None, str | None]]
    found = [(each, draft_of[id(each)], *passed) for each in sifted.kept]
    for state, some in ((ExampleState.UNSURE, sifted.unsure), (ExampleState.DROPPED, sifted.dropped)):
        found += [(each.candidate, draft_of[id(each.candidate)], state, each.filter, each.reason) for each in some]
    for draft, text in formless:
        asked = Candidate(draft.kind, teacher.name, draft.request.messages, text, records=draft.records)
        found.append((asked, draft, ExampleState.DROPPED, FORM, "the answer has not the form that was asked for"))
    with store.transaction():
        for each in found:
            store.teaching.examples.add(model, new(*each))


def sentences_of(taught: Taught) -> list[str]:
    """Why asking the teacher, and the judge, ended before all was asked; none where neither did."""
    judged, found = taught.judged, [ended_sentence(taught.outcome)]
    if judged and judged.is_another:
        found.append("other weights answer by the judge's name since it was asked, so nothing that it said is kept")
    elif judged and judged.waiting:
        why = ended_sentence(judged.outcome, "judge") or "it was not asked about all of them"
        found.append(f"{judged.waiting} examples wait for the judge: {why}")
    return list(filter(None, found))


def ended_sentence(outcome: Outcome, role: str = "teacher") -> str:
    """Why asking the model in this role ended before all was asked; empty where it did not."""
    words = {
        Ended.CALLS: "as many requests as max_calls allows were asked",
        Ended.TOKENS: "as many tokens as max_tokens allows were used",
        Ended.MINUTES: "max_minutes are over",
        Ended.STOPPED: "it was told to stop",
        Ended.INTERRUPTED: "it was interrupted",
        Ended.UNAVAILABLE: f"the {role} does not answer: {outcome.error}",
    }
    said = words.get(outcome.ended)
    return f"{said}; {outcome.left} requests are left for the next time" if said else ""
