"""One round of judging: which pairs a judge is asked about, in both orders, and what is kept of its answers.

The journal of teachers' requests is that of the judge, too, as long as a pair is not judged: what was answered is not
asked again, whatever ends the process. Once the verdict is kept, its requests are deleted; they hold text.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from adapterd.chat import from_dicts
from adapterd.config import Settings
from adapterd.evaluation.judging.ask import Judged, pair_messages, winner_in
from adapterd.evidence.judged import JudgedPairs, Said, pairs_of, take_looks, verdict_of
from adapterd.home import Home
from adapterd.judges.asking import Progress, alone, ask_judge, is_same_judge, key_of
from adapterd.judges.configured import ConfiguredJudge, configured_judge, identified
from adapterd.review.choices import Pair
from adapterd.store import Store
from adapterd.store.judging.verdicts import KeptJudge, KeptVerdict, Look
from adapterd.store.reviews.choices import Choice
from adapterd.store.teaching.requests import RequestState, StoredRequest
from adapterd.teachers.request import Kind, TeacherRequest, prompt_tokens_of
from adapterd.teachers.work import Outcome, Planned

AGAIN = 20
"""Of so many pairs the first order is asked once more, with another seed, to see whether the judge repeats itself."""


@dataclass(frozen=True)
class Asked:
    """What a judge is asked about a choice, and what names that in the journal."""

    choice: Choice
    requests: tuple[TeacherRequest, ...]
    records: tuple[str, ...]


@dataclass(frozen=True)
class JudgedNow:
    """What came of asking: so many pairs have a verdict now, `unread` of these none that can be read; `looks` are what
    a gate looked at. `is_another` says that other weights answer by the judge's name since: then nothing is kept."""

    outcome: Outcome
    judged: int = 0
    unread: int = 0
    looks: tuple[Look, ...] = ()
    is_another: bool = False


@dataclass(frozen=True)
class JudgeRound:
    """What a judge is to be asked of two versions: `open` are the pairs that it is asked about now, those that people
    voted on first; `judged` it has judged already, and of `repeated` it was asked the same again."""

    store: Store
    settings: Settings
    model: str
    pair: Pair
    configured: ConfiguredJudge
    judge: KeptJudge
    pairs: JudgedPairs
    open: tuple[Choice, ...]
    judged: int
    repeated: int

    @property
    def asked(self) -> tuple[Asked, ...]:
        """What is asked about each pair: both orders, and of some the first one again."""
        to_repeat = max(0, AGAIN - self.repeated)
        return tuple(self._of(each, again=place < to_repeat) for place, each in enumerate(self.open))

    @property
    def prompt_tokens(self) -> int:
        """About how many tokens all prompts have together."""
        return prompt_tokens_of(each for some in self.asked for each in some.requests)

    @property
    def calls(self) -> int:
        """How many requests that is."""
        return sum(len(each.requests) for each in self.asked)

    def ask(self, progress: Progress = lambda _: None) -> JudgedNow:
        """Ask about what is open, keep the verdicts, and take the looks that are due where nothing is left open. What
        ends early, by Ctrl-C or a bound, keeps what there is.

        Raises BusyError while another process asks a judge, ConfigError where one elsewhere may not be sent prompts,
        ConfigError and NotFoundError for a wrong key, address or model, and StoreError.
        """
        with alone(self.store):
            return self._ask(self._still_open().asked, progress)

    def _still_open(self) -> "JudgeRound":
        """The same without pairs that were judged, or that went, since it was prepared."""
        said, pairs = self.store.judging.of(self.model, self.judge.id), self._pairs()
        left, judged, repeated = _left(pairs, said)
        there = {each.id: each for each in left}
        asked = tuple(there[each.id] for each in self.open if each.id in there)
        return replace(self, pairs=pairs, open=asked, judged=judged, repeated=repeated)

    def _pairs(self) -> JudgedPairs:
        of = self.pair
        return pairs_of(self.store, self.model, of.ours_digest, of.theirs_digest, of.comparison)

    def _ask(self, asked: Sequence[Asked], progress: Progress) -> JudgedNow:
        planned = [Planned(request, each.records) for each in asked for request in each.requests]
        outcome = ask_judge(self.store, self.settings, self.model, self.configured, self.judge, planned, progress)
        keys = [(each.choice, [key_of(one, self.judge) for one in each.requests]) for each in asked]
        if not is_same_judge(self.configured, self.settings, self.judge):
            self.store.teaching.requests.forget(self.model, [key for _, some in keys for key in some])
            return JudgedNow(outcome, is_another=True)
        kept = self._keep(keys)
        left, *_ = _left(self._pairs(), self.store.judging.of(self.model, self.judge.id))
        looks = take_looks(self.store, self.pair.comparison, self.judge) if self.pair.comparison and not left else []
        return JudgedNow(outcome, len(kept), sum(verdict_of(each).value is None for each in kept), tuple(looks))

    def _of(self, choice: Choice, *, again: bool) -> Asked:
        """Nothing where both answers are the same: that is a tie, and nobody has to say so."""
        ours, theirs = choice.ours_answer, choice.theirs_answer
        records = (choice.asked_as, *([choice.record] if choice.record else []))
        if ours.strip() == theirs.strip():
            return Asked(choice, (), records)
        case = Judged(from_dicts(list(choice.messages)), self.configured.rubric)
        first, second = (
            TeacherRequest(Kind.VERDICT, pair_messages(case, *both), self.configured.options)
            for both in ((ours, theirs), (theirs, ours))
        )
        return Asked(choice, (first, second, first.again(1)) if again else (first, second), records)

    def _keep(self, keys: Sequence[tuple[Choice, Sequence[str]]]) -> list[KeptVerdict]:
        """Keep the verdicts on the pairs of which all is answered, and delete what was asked for them, and for pairs
        that went meanwhile: another one may have got the id of such a one."""
        requests = self.store.teaching.requests
        with self.store.transaction():
            known = requests.of(self.model, [key for _, some in keys for key in some])
            kept, done = list[KeptVerdict](), list[str]()
            for choice, some in keys:
                now = self.store.choices.get(self.model, choice.id)
                verdict = _verdict(choice.id, some, known)
                if now is None or _asked_of(now) != _asked_of(choice):
                    done += some
                elif verdict:
                    done += some
                    kept += [verdict] if self.store.judging.keep(self.model, self.judge.id, verdict) else []
            requests.forget(self.model, done)
        return kept


def prepare(
    store: Store, home: Home, settings: Settings, model: str, pair: Pair, limit: int | None = None
) -> JudgeRound:
    """Find what the model's judge can be asked of two versions, `limit` pairs at most. Raises NotFoundError without a
    judge or its model, InputError for a rubric that cannot be used, and what the runtime raises."""
    configured = configured_judge(settings, model)
    judge = identified(configured, settings, home, model)
    pairs = pairs_of(store, model, pair.ours_digest, pair.theirs_digest, pair.comparison)
    said = store.judging.of(model, judge.id)
    left, judged, repeated = _left(pairs, said)
    return JudgeRound(store, settings, model, pair, configured, judge, pairs, left[:limit], judged, repeated)


def _left(pairs: JudgedPairs, said: Said) -> tuple[tuple[Choice, ...], int, int]:
    """The pairs that have no verdict, how many have one, and of how many pairs, also of other versions, the judge was
    asked the same again."""
    left = tuple(each for each in pairs.all if each.id not in said)
    return left, len(pairs.all) - len(left), sum(each.again is not None for each in said.values())


def _asked_of(choice: Choice) -> tuple[object, ...]:
    """What a judge reads of it."""
    return choice.messages, choice.ours_answer, choice.theirs_answer


def _verdict(choice: int, keys: Sequence[str], known: Mapping[str, StoredRequest]) -> KeptVerdict | None:
    """What was said of a pair; None as long as anything of it was not answered."""
    rows = [known.get(key) for key in keys]
    if not keys:
        return KeptVerdict(choice, 0.0, 0.0)
    if any(row is None or row.state is RequestState.ASKED for row in rows):
        return None
    first, second, *again = [winner_in(str(row.reply["text"])) if row and row.reply else None for row in rows]
    return KeptVerdict(choice, first, None if second is None else 0.0 - second, again[0] if again else None)
