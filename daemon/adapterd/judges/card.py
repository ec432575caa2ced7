"""How far a model's judge agrees with people, and what its verdicts add to their votes; nobody is asked for it."""

from dataclasses import dataclass, replace

import numpy as np

from adapterd.config import Settings
from adapterd.errors import NotFoundError
from adapterd.evaluation.judging.agreement import Portion, repeated
from adapterd.evaluation.judging.card import JudgeCard, card_of
from adapterd.evaluation.judging.estimate import CalibratedMean
from adapterd.evaluation.rules import HUMAN_PREFERENCE, JUDGED_PREFERENCE
from adapterd.evaluation.statistics import Interval
from adapterd.evidence.judged import Said, look_sentence, pairs_of, seen_of, share_of, verdict_of
from adapterd.judges.configured import configured_judge, why_advice
from adapterd.review.choices import Pair
from adapterd.store import Store
from adapterd.store.judging.verdicts import KeptJudge, Look


@dataclass(frozen=True)
class ShownJudge:
    """A judge of two versions: its card, in which its repetitions are those on all versions, the share that would
    prefer `ours` (None for too few votes), why that is advice, empty where it may inform a gate, the looks that gates
    took, how many pairs it has not judged, and the command by which it is asked about them."""

    model: str
    ours: str
    theirs: str
    judge: KeptJudge
    card: JudgeCard
    share: CalibratedMean | None
    advice: str
    looks: tuple[Look, ...]
    open: int
    of_others: int
    asking: str

    def sentences(self) -> tuple[str, ...]:
        """All of it in plain English, what matters most first."""
        found = [*self._estimate(), *(look_sentence(each) + _advice(each) for each in self.looks)]
        if self.judge.advice:
            found.append(f"It only advises: {self.judge.advice}.")
        found += self.card.sentences()
        if self.open:
            found.append(f"{self.open} pairs have no verdict of it yet: `{self.asking}`.")
        if self.of_others:
            found.append(f"{self.of_others} verdicts are of other judges, rubrics or settings; they do not count here.")
        return tuple(found)

    def _estimate(self) -> list[str]:
        share = self.share
        if share is None:
            return [f"{JUDGED_PREFERENCE} is not known yet: people have to vote on pairs that it judged."]
        kind = "advice only" if self.advice else "calibrated by people"
        return [
            f"{JUDGED_PREFERENCE} of {self.ours} against {self.theirs}: {_told(share.mean, share.interval)} by "
            f"{share.votes} votes and {share.pool} further verdicts, {kind}.",
            f"{HUMAN_PREFERENCE} by the same votes alone: {_told(share.by_people, share.people_interval)}; by the "
            f"judge alone it would be {share.by_judge:.0%}, which is no evidence.",
            f"The judge saves {share.votes_saved:.0%} of the votes that people alone would need for such an interval.",
        ]


def shown_judge(store: Store, settings: Settings, model: str, pair: Pair) -> ShownJudge:
    """The judge that was asked last as it is configured now. Raises NotFoundError without one, and InputError for a
    rubric that cannot be used."""
    configured = configured_judge(settings, model)
    judge = store.judging.newest(model, configured.hash)
    if judge is None:
        raise NotFoundError(
            f"the judge {configured.name} was asked nothing of {model} yet, as it is configured now",
            hint=_asking(model, pair),
        )
    judge = replace(judge, advice=why_advice(configured, judge.digest))
    pairs = pairs_of(store, model, pair.ours_digest, pair.theirs_digest, pair.comparison)
    said = store.judging.of(model, judge.id)
    card = replace(card_of(str(judge), seen_of(pairs.all, said), judge.warnings), repeated=_repeated(said))
    looks = store.judging.looks(pair.comparison.id) if pair.comparison else []
    return ShownJudge(
        model, pair.ours, pair.theirs, judge, card, share_of(pairs.votes, pairs.pool, said),
        judge.advice or card.why_advice, tuple(each for each in looks if each.judge == judge.id),
        sum(each.id not in said for each in pairs.all), store.judging.of_others(model, judge.id), _asking(model, pair),
    )  # fmt: skip


def _repeated(said: Said) -> Portion:
    """Of all pairs on which it was asked the same again; it is not asked so again for each two versions."""
    twice = [each for each in said.values() if each.again is not None and verdict_of(each).value is not None]
    first, again = (np.array([getattr(each, name) for each in twice], float) for name in ("ours_first", "again"))
    return repeated(first, again)


def _asking(model: str, pair: Pair) -> str:
    """The command that asks about these versions."""
    versions = "" if pair.comparison else f" --ours {pair.ours} --theirs {pair.theirs}"
    return f"adapterctl judge run {model}{versions}"


def _told(value: float, interval: Interval) -> str:
    return f"{value:.0%} ({interval.low:.0%} to {interval.high:.0%})"


def _advice(look: Look) -> str:
    return f"; {look.advice}" if look.advice else "."
