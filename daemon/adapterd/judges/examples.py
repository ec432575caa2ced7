"""A judge as the last filter of teachers' examples: each is scored by the rubric of the model's task, twice.

The second time it is sampled, for at temperature 0 it would say the same again; of a pair the two answers change
places. Where both say the same, that decides; where they do not, a person looks. The journal has what was answered as
long as an example waits, so nothing is asked twice, whatever ends the process.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from adapterd.chat import from_dicts
from adapterd.config import Settings
from adapterd.evaluation.judging.ask import (
    MOST_SCORE,
    Judged,
    pair_messages,
    score_messages,
    score_schema,
    scores_in,
    winner_in,
)
from adapterd.home import Home
from adapterd.judges.asking import ask_judge, is_same_judge, key_of
from adapterd.judges.configured import ConfiguredJudge, configured_judge, identified, require_consent
from adapterd.store import Store
from adapterd.store.judging.verdicts import KeptJudge
from adapterd.store.teaching.examples import JUDGE, ExampleState, SyntheticExample
from adapterd.store.teaching.requests import RequestState, StoredRequest
from adapterd.teachers.last_filter import JudgedExample, JudgedExamples
from adapterd.teachers.request import Kind, TeacherRequest
from adapterd.teachers.work import Budget, Ended, Outcome, Planned, WorkProgress

SAMPLED_AT = 0.7
"""The least temperature of the second time."""
UNREAD = "the judge said nothing of it that can be read"


@dataclass(frozen=True)
class JudgeOfExamples:
    """The judge that a model's examples pass last. `least` is the score of 10 that they need."""

    store: Store
    settings: Settings
    of: str
    configured: ConfiguredJudge
    judge: KeptJudge
    least: int

    @property
    def name(self) -> str:
        """Of the configuration."""
        return self.judge.name

    @property
    def model(self) -> str:
        """What is asked at its address."""
        return self.judge.judge_model

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences on whom it may favour."""
        return self.judge.warnings

    @property
    def waiting(self) -> int:
        """How many examples wait for it."""
        return len(self.store.teaching.examples.unjudged(self.of))

    @property
    def budget(self) -> Budget:
        """Its own bounds."""
        of = self.configured.settings
        return Budget(of.max_calls, of.max_tokens, of.max_minutes)

    def require_allowed(self) -> None:
        """Raise ConfigError where it may not be sent prompts."""
        require_consent(self.configured, self.settings)

    def ask(self, budget: Budget, progress: Callable[[WorkProgress], object]) -> JudgedExamples:
        """Ask about all examples that wait, within the budget and the judge's own bounds, and keep what it says. What
        ends early leaves the rest waiting. Raises as `ask_judge`."""
        waiting = self.store.teaching.examples.unjudged(self.of)
        if not waiting:
            return JudgedExamples(Outcome(Ended.DONE))
        asked = [(each, self._requests(each)) for each in waiting]
        planned = [
            Planned(request, (*each.records, each.prompt_hash)) for each, requests in asked for request in requests
        ]
        outcome = ask_judge(
            self.store, self.settings, self.of, self.configured, self.judge, planned, progress, within=budget
        )
        keys = [(each, [key_of(one, self.judge) for one in requests]) for each, requests in asked]
        if not is_same_judge(self.configured, self.settings, self.judge):
            self.store.teaching.requests.forget(self.of, [key for _, some in keys for key in some])
            return JudgedExamples(outcome, waiting=len(waiting), is_another=True)
        said = self._keep(keys)
        return JudgedExamples(outcome, tuple(said), len(waiting) - len(said))

    def _requests(self, example: SyntheticExample) -> tuple[TeacherRequest, TeacherRequest]:
        case = Judged(from_dicts(list(example.messages)), self.configured.rubric)
        options = self.configured.options
        if example.rejected is not None:
            both = (example.answer, example.rejected), (example.rejected, example.answer)
            first, second = (TeacherRequest(Kind.VERDICT, pair_messages(case, *each), options) for each in both)
            return first, second
        scored = replace(options, schema=score_schema())
        request = TeacherRequest(Kind.VERDICT, score_messages(case, example.answer), scored)
        again = request.again(1)
        sampled = replace(again.options, temperature=max(SAMPLED_AT, again.options.temperature))
        return request, replace(again, options=sampled)

    def _keep(self, keys: Sequence[tuple[SyntheticExample, Sequence[str]]]) -> list[JudgedExample]:
        """Note what was said of the examples about which all is answered, unless a person was faster, and delete what
        was asked for them."""
        requests, examples, said = self.store.teaching.requests, self.store.teaching.examples, list[JudgedExample]()
        with self.store.transaction():
            known = requests.of(self.of, [key for _, some in keys for key in some])
            open_ = {each.id for each in examples.unjudged(self.of)}
            for example, some in keys:
                if example.id not in open_:
                    requests.forget(self.of, some)
                elif found := self._said(example, [known.get(key) for key in some]):
                    examples.decide(self.of, example.id, found.state, JUDGE, found.reason)
                    requests.forget(self.of, some)
                    said.append(found)
        return said

    def _said(self, example: SyntheticExample, rows: Sequence[StoredRequest | None]) -> JudgedExample | None:
        """What was said of an example; None as long as anything of it was not answered."""
        if any(row is None or row.state is RequestState.ASKED for row in rows):
            return None
        first, second = (str(row.reply["text"]) if row and row.reply else "" for row in rows)
        state, reason = _of_pair(first, second) if example.rejected is not None else self._of_scores(first, second)
        return JudgedExample(example.run, state, reason)

    def _of_scores(self, *texts: str) -> tuple[ExampleState, str]:
        scores = [found.value for each in texts if (found := scores_in(each)).value is not None]
        if len(scores) < len(texts):
            return ExampleState.UNSURE, UNREAD
        first, again = (f"{each * MOST_SCORE:g}" for each in scores)
        told = f"the judge gave {first} of {MOST_SCORE}, and {again} when asked again; {self.least} are needed"
        enough = {each >= self.least / MOST_SCORE for each in scores}
        if len(enough) > 1:
            return ExampleState.UNSURE, told
        return (ExampleState.KEPT if enough.pop() else ExampleState.DROPPED), told


def judge_of_examples(store: Store, home: Home, settings: Settings, model: str) -> JudgeOfExamples | None:
    """The judge that the model's teaching names; None where it names none. Raises NotFoundError for a tag that is not
    there, InputError for a rubric that cannot be used, and what the runtime raises."""
    wanted = settings.models[model]
    if wanted.teaching.judge is None:
        return None
    named = replace(wanted, judging=replace(wanted.judging, judge=wanted.teaching.judge))
    configured = configured_judge(replace(settings, models={**settings.models, model: named}), model)
    judge = identified(configured, settings, home, model)
    return JudgeOfExamples(store, settings, model, configured, judge, wanted.teaching.judge_score)


def _of_pair(first: str, second: str) -> tuple[ExampleState, str]:
    """Of a pair the better answer is a person's; it was shown first, then second."""
    sides = winner_in(first), winner_in(second)
    if sides[0] is None or sides[1] is None:
        return ExampleState.UNSURE, UNREAD
    if sides[0] != -sides[1]:
        return ExampleState.UNSURE, "the judge decides otherwise when the two answers change places"
    if sides[0] > 0:
        return ExampleState.KEPT, "the judge finds the worse answer worse"
    return ExampleState.DROPPED, "the judge does not find the worse answer worse"
