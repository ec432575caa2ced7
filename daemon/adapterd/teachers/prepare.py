"""One round of teaching: the teacher, what it is asked, and what its answers are held against."""

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from adapterd.base.gguf.tokenizer import Tokenizer
from adapterd.capture.captures import Captures
from adapterd.chat import ChatOptions
from adapterd.config import Settings, Task, TeacherSettings, Think
from adapterd.errors import InputError
from adapterd.evaluation.metrics.json_answers.schema import read_schema
from adapterd.home import Home
from adapterd.intake.screening import held_hashes
from adapterd.serialization import dumps
from adapterd.serving.runtimes import base_file, runtime_for
from adapterd.serving.tags import ModelTags
from adapterd.store import Store
from adapterd.system.locks import LOCK_TIMEOUT_S, exclusive
from adapterd.teachers.configured import open_teacher, require_terms, teacher_name
from adapterd.teachers.filters.verdict import Against
from adapterd.teachers.gathering import SHARES, Sources, amounts, within
from adapterd.teachers.last_filter import CALLS_EACH, ExampleJudge, is_over
from adapterd.teachers.not_itself import require_another
from adapterd.teachers.request import Kind, prompt_tokens_of
from adapterd.teachers.rounds import round_name
from adapterd.teachers.teach import Taught, held_against, is_open, teach
from adapterd.teachers.work import Budget, Ended, Outcome, Stopwatch, WorkProgress
from adapterd.teachers.writing.draft import Draft


@dataclass(frozen=True)
class Round:
    """What a teacher is to be asked for a model, and the judge that its examples pass last, if there is one. `left_out`
    says of documents why they were not read."""

    store: Store
    settings: Settings
    model: str
    teacher: str
    drafts: Mapping[Kind, list[Draft]]
    against: Against
    left_out: list[str]
    judge: ExampleJudge | None = None

    @property
    def of_teacher(self) -> TeacherSettings:
        """The settings of the teacher."""
        return self.settings.teachers[self.teacher]

    @property
    def counts(self) -> dict[Kind, int]:
        """How many of each kind there is something to ask for."""
        return {kind: len(drafts) for kind, drafts in self.drafts.items()}

    @property
    def prompt_tokens(self) -> int:
        """About how many tokens all prompts have together."""
        return prompt_tokens_of(each.request for drafts in self.drafts.values() for each in drafts)

    @property
    def most_verdicts(self) -> int:
        """How many requests to the judge that takes, if everything passes all other filters."""
        return CALLS_EACH * (sum(self.counts.values()) + self.judge.waiting) if self.judge else 0

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to ask, neither the teacher nor the judge."""
        return not any(self.counts.values()) and not (self.judge and self.judge.waiting)

    def ask(
        self,
        asked_by: str,
        progress: Callable[[WorkProgress], object] = lambda _: None,
        judging: Callable[[WorkProgress], object] = lambda _: None,
    ) -> Taught:
        """Ask, filter and keep; `asked_by` names the command or the night, and `judging` gets the progress of the
        judge. Raises ConfigError where the terms of a teacher elsewhere were not read, or a judge may not be sent
        prompts, BusyError while another process asks one, and what `teach` and the judge raise."""
        require_terms(self.teacher, self.of_teacher, self.settings)
        if self.judge:
            self.judge.require_allowed()
        lock = Home.of_database(self.store.path).teach_lock
        with exclusive(lock, timeout_s=LOCK_TIMEOUT_S, busy="another process asks a teacher at this moment"):
            run, bounds = round_name(asked_by, self.store.clock()), self.of_teacher
            budget = Budget(bounds.max_calls, bounds.max_tokens, bounds.max_minutes)
            if self.judge is None:
                return self._taught(run, budget, progress)
            return self._judged(self.judge, run, budget, progress, judging)

    def _taught(self, run: str, budget: Budget, progress: Callable[[WorkProgress], object]) -> Taught:
        teacher = open_teacher(self.teacher, self.of_teacher, self.settings)
        return teach(
            self.store, self.model, teacher, self._still_open(), self.against, parallel=self.of_teacher.parallel,
            run=run, budget=budget, agreement=self.settings.models[self.model].teaching.agreement,
            is_judged=self.judge is not None, progress=progress,
        )  # fmt: skip

    def _judged(
        self,
        judge: ExampleJudge,
        run: str,
        budget: Budget,
        progress: Callable[[WorkProgress], object],
        judging: Callable[[WorkProgress], object],
    ) -> Taught:
        """The judge is asked first about what waits since earlier rounds, lest new examples use the budget up."""
        clock = Stopwatch()
        before, judged_min = judge.ask(budget, judging), clock.minutes
        if before.outcome.ended is Ended.INTERRUPTED:
            return Taught(self.teacher, Outcome(Ended.INTERRUPTED, left=sum(self.counts.values())), judged=before)
        taught = self._taught(run, budget.left(before.outcome, minutes=judged_min), progress)
        if taught.outcome.ended is Ended.INTERRUPTED or is_over(before):
            return taught.judged_by(replace(before, waiting=judge.waiting), run)
        left = budget.left(before.outcome, taught.outcome, minutes=clock.minutes)
        own = judge.budget.left(before.outcome, minutes=judged_min)
        return taught.judged_by(judge.ask(left.within(own), judging).after(before), run)

    def _still_open(self) -> dict[Kind, list[Draft]]:
        """The drafts of which nobody made anything since they were found."""
        is_new = is_open(self.store, self.model, self.teacher, self.of_teacher.model)
        return {kind: list(filter(is_new, drafts)) for kind, drafts in self.drafts.items()}


def prepare(
    store: Store,
    home: Home,
    settings: Settings,
    model: str,
    *,
    judge: ExampleJudge | None,
    kinds: Collection[Kind] = (),
    limit: int | None = None,
    documents: Path | None = None,
    on_scan: Callable[[float], object] = lambda _share: None,
    on_read: Callable[[float], object] = lambda _share: None,
) -> Round:
    """Find what the model's teacher can be asked: so many of each kind as the settings say, or `limit` in all of the
    named kinds. What passes all filters waits for the `judge`, where there is one. `on_scan` gets the share of the
    records that are scanned for secrets and personal data, 0…1, where that takes a while; without feedback that is
    asked for none are. `on_read` gets the same of large documents that are read and cut.

    Raises NotFoundError without a teacher, ConfigError for one that is the model itself, InputError for documents or a
    schema that cannot be read, and for documents where answers are no prose, and what the runtime raises where
    documents are cut by its base.
    """
    name = teacher_name(settings, model)
    asked, chosen = settings.models[model], settings.teachers[name]
    wanted = amounts(asked.teaching, kinds, limit)
    folder = documents or asked.teaching.documents
    if asked.task in (Task.JSON, Task.CLASSIFICATION) or asked.schema:
        if documents or not SHARES.keys().isdisjoint(kinds):
            raise InputError(
                f"{model} does not answer in prose, as questions about documents are answered",
                hint="leave out --documents, and kinds that are made from documents",
            )
        folder = None
    if folder is None:
        wanted = {kind: count for kind, count in wanted.items() if kind not in SHARES}
    require_another(store, settings, model, name, [kind for kind, count in wanted.items() if count])
    options = ChatOptions(
        num_ctx=chosen.num_ctx, num_predict=chosen.num_predict, temperature=chosen.temperature,
        think=chosen.think.wanted,
    )  # fmt: skip
    with _captures(home) as captures:
        sources = Sources(
            store, model, asked.teaching, options, captures,
            lambda: frozenset(held_hashes(store, model, asked.feedback, on_scan)),
            dumps(read_schema(asked.schema)) if asked.schema else None, folder,
            _tokens(home, settings, model) if folder and any(wanted.get(kind) for kind in SHARES) else len,
            asked.think is not Think.OFF, on_read,
        )  # fmt: skip
        found = sources.drafts(wanted, is_open(store, model, name, chosen.model))
    counts = within({kind: len(some) for kind, some in found.items()}, limit)
    drafts = {kind: found[kind][:count] for kind, count in counts.items()}
    against = held_against(store, model, asked, sources.people) if any(counts.values()) else Against(asked.task)
    return Round(store, settings, model, name, drafts, against, sources.left_out, judge)


@contextmanager
def _captures(home: Home) -> Iterator[Captures | None]:
    if not home.captures.is_file():
        yield None
        return
    with Captures(home.captures) as captures:
        yield captures


def _tokens(home: Home, settings: Settings, model: str) -> Callable[[str], int]:
    """Counts the tokens of a text, as the base's tokenizer has them."""
    runtime = runtime_for(settings, home)
    tokenizer = Tokenizer.open(base_file(runtime.show(ModelTags(model).base), settings.models[model].base, model))
    return lambda text: len(tokenizer.encode_continuation(text))
