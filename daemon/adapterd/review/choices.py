"""Two versions' answers beside each other: made, chosen between without knowing whose they are, and counted.

A vote on the challenger and live is evidence like a fresh case, of its own kind (evaluation/e_process.py), so it may be
looked at after each one. The prompts are captured ones that nobody has said anything of: neither version learned from
them, and no frozen set has them.
"""

import secrets
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from itertools import islice

from adapterd.capture.captures import Capture
from adapterd.chat import ChatOptions, Prompt, as_dicts, from_dicts
from adapterd.config import ModelSettings
from adapterd.dataset.leaks.near_duplicates import cases_near
from adapterd.errors import InputError, NotFoundError
from adapterd.evaluation.e_process import VOTE
from adapterd.evaluation.rules import HUMAN_PREFERENCE
from adapterd.evidence.by_people import votes_of
from adapterd.evidence.season import Rules, Season
from adapterd.intake.http_intake import take_posted
from adapterd.record import FeedbackRecord
from adapterd.review.frame import Frame, prompt_of
from adapterd.serving.runtime import Runtime
from adapterd.serving.tags import ModelTags
from adapterd.store import Store
from adapterd.store.evidence.comparisons import CaseEvidence, Comparison, Counts, Purpose
from adapterd.store.reviews.choices import DIFFERENCE, Choice, NewChoice, Vote

SEED = 1
ASKED_FOR_EACH = 4
"""So many prompts are asked at most for each choice that is wanted: two versions may answer most of them alike."""
LOOKED_AT = 300
"""So many prompts that nothing is known of, in the order of chance, are compared with what was learned, or as many as
may be asked where these are more."""

Progress = Callable[[int, int], object]


@dataclass(frozen=True)
class Pair:
    """Two versions that are compared, by name and by the digest of their tags; `comparison` is the open one that votes
    on them are evidence of, if there is one."""

    ours: str
    ours_digest: str
    theirs: str
    theirs_digest: str
    comparison: Comparison | None = None


@dataclass(frozen=True)
class Meter:
    """How far the votes on a pair are: how many were for each side, how many for neither, and how many more are needed
    if all go the same way (None where votes decide nothing: the pair is none that is compared, or it is decided)."""

    ours: int
    theirs: int
    neither: int
    way: float
    votes_left: int | None
    text: str

    @classmethod
    def of(cls, votes: Sequence[float], way: float, votes_left: int | None, text: str) -> "Meter":
        """Of votes as differences."""
        ours, theirs = (sum(each == side for each in votes) for side in (1.0, -1.0))
        return cls(ours, theirs, len(votes) - ours - theirs, way, votes_left, text)

    @property
    def votes(self) -> int:
        """All of them."""
        return self.ours + self.theirs + self.neither


def pair_of(store: Store, model: str, ours: str | None = None, theirs: str | None = None) -> Pair:
    """The challenger and live, or what is named. Raises NotFoundError where there is nothing to compare."""
    comparison = store.comparisons.open(model, Purpose.CHALLENGE)
    if comparison and (ours or comparison.ours, theirs or comparison.theirs) == (comparison.ours, comparison.theirs):
        return Pair(comparison.ours, comparison.ours_digest, comparison.theirs, comparison.theirs_digest, comparison)
    live = store.versions.deployment(model)
    if live is None:
        raise NotFoundError(f"{model} has no version that is live yet", hint=f"adapterctl retrain {model}")
    if ours is None:
        raise NotFoundError(
            f"{model} has no challenger to compare with {live.live}", hint="name two versions to compare these"
        )
    found = {each.version: each.digest for each in store.versions.all(model)} | {live.live: live.live_digest}
    names = (ours, theirs or live.live)
    for name in names:
        if name not in found:
            raise NotFoundError(f"{model} has no version {name!r}", hint=f"adapterctl versions {model}")
    if names[0] == names[1]:
        raise InputError("two different versions are compared", hint=f"adapterctl versions {model}")
    return Pair(names[0], found[names[0]], names[1], found[names[1]])


def make_choices(
    frame: Frame, pair: Pair, runtime: Runtime, settings: ModelSettings, count: int,
    on_progress: Progress = lambda _done, _total: None,
) -> int:  # fmt: skip
    """Have both versions answer captured prompts that nobody has said anything of, until so many choices are new;
    returns how many are. Answers that are the same are kept, and nobody is asked. Raises what the runtime raises."""
    tags, made = ModelTags(frame.model), 0
    ours, theirs = (tags.version(name) for name in (pair.ours, pair.theirs))
    options = ChatOptions(
        num_ctx=settings.evaluation.num_ctx, num_predict=settings.evaluation.num_predict, seed=SEED,
        think=settings.think.wanted,
    )  # fmt: skip
    most = ASKED_FOR_EACH * count
    for prompt_hash, prompt in islice(_prompts(frame, pair, max(LOOKED_AT, most)), most):
        if made >= count:
            break
        one, other = (runtime.chat(tag, prompt, options).text for tag in (ours, theirs))
        is_same = one.strip() == other.strip()
        new = NewChoice(
            prompt_hash, as_dicts(prompt), pair.ours, pair.ours_digest, one, pair.theirs, pair.theirs_digest, other,
            ours_first=bool(secrets.randbits(1)),
        )  # fmt: skip
        is_new = frame.store.choices.add(frame.model, new, Vote.SAME if is_same else None)
        made += is_new and not is_same
        on_progress(made, count)
    return made


def next_choice(store: Store, model: str, pair: Pair) -> Choice | None:
    """The next one that nobody has voted on, in the order of the prompts' hashes, which is one of chance: so votes are
    on a random part of all that waits, whenever it was made."""
    waiting = store.choices.waiting(model, pair.ours_digest, pair.theirs_digest)
    return min(waiting, key=lambda each: each.prompt_hash, default=None)


def vote(
    store: Store, model: str, settings: ModelSettings, choice: Choice, given: Vote, correction: str | None = None
) -> None:
    """Keep a vote, in one transaction: a preference, or the correction if one was typed, and evidence where the two are
    compared. Raises InputError for a second vote."""
    with store.transaction():
        record = _taught(store, model, choice, given, correction)
        if not store.choices.vote(model, choice.id, given, record):
            raise InputError("this choice was made already")
        comparison = store.comparisons.open(model, Purpose.CHALLENGE)
        digests = (choice.ours_digest, choice.theirs_digest)
        if comparison and (comparison.ours_digest, comparison.theirs_digest) == digests:
            rules = Rules.of(settings)
            said = DIFFERENCE[given]
            case = CaseEvidence(
                choice.case, record or choice.prompt_hash, "", None, VOTE, Counts.DECIDES,
                {rules.primary: said, HUMAN_PREFERENCE: said},
            )  # fmt: skip
            Season(store, model, rules).add_vote(comparison, case)


def meter(store: Store, model: str, settings: ModelSettings, pair: Pair) -> Meter:
    """Where the votes on a pair stand: those that are evidence, where the two are compared."""
    if pair.comparison is None:
        votes = [
            DIFFERENCE[each.vote]
            for each in store.choices.voted(model)
            if each.vote and (each.ours_digest, each.theirs_digest) == (pair.ours_digest, pair.theirs_digest)
        ]
        return Meter.of(votes, 0.0, None, "these votes are shown; they decide nothing")
    season, comparison = Season(store, model, Rules.of(settings)), pair.comparison
    votes = votes_of(store, comparison)
    standing, missing = season.standing(comparison), season.missing_by_people(comparison)
    left = standing.votes_left or None
    if standing.is_proven and missing:
        text = f"{pair.ours} is proven to be better, but people have a say: {missing}"
    elif standing.is_proven:
        text = f"{pair.ours} is proven to be better; the next night makes it live"
    elif left:
        text = f"{left} more votes for {pair.ours} would prove that it is better"
    else:
        text = "votes alone do not decide now: adapterctl evidence tells what is missing"
    return Meter.of(votes, standing.way, left, text)


def _prompts(frame: Frame, pair: Pair, most: int) -> Iterator[tuple[str, Prompt]]:
    """Of `most` captured prompts, in the order of chance, those that are unlike all of which anything was said when the
    comparison began, and unlike all that teachers answered, for a version may have learned that; and unlike those that
    the pair answered already: these would count twice. What was said since leaves none out, or the prompts would be
    chosen by what live answered to them."""
    store, model, comparison = frame.store, frame.model, pair.comparison
    up_to = comparison.after_id if comparison else None
    asked = store.choices.asked(model, pair.ours_digest, pair.theirs_digest)
    before = [from_dicts(each.messages) for each in store.choices.all(model) if each.prompt_hash in asked]
    if comparison:  # what was a fresh case is none again
        asked |= {case.case for look in store.comparisons.looks(comparison.id) for case in look.cases}
    prompts = {each.prompt_hash: prompt_of(each) for each in islice(_unknown(frame, asked, up_to), most)}
    told = (
        FeedbackRecord.from_json(text)
        for number, text in store.feedback.ever(model)
        if up_to is None or number <= up_to
    )
    taught = (from_dicts(list(each.messages)) for each in store.teaching.examples.ever_kept(model))
    learned = cases_near([*(each.messages for each in told), *taught], list(prompts.values()))
    for (prompt_hash, prompt), is_near in zip(prompts.items(), learned, strict=True):
        if not is_near and not cases_near(before, [prompt])[0]:
            before.append(prompt)
            yield prompt_hash, prompt


def _unknown(frame: Frame, asked: AbstractSet[str], up_to: int | None) -> Iterator[Capture]:
    """Captures, in the order of chance, with prompts that were not asked, and of which nothing was said by then; one of
    each prompt."""
    by_chance, seen = frame.by_chance(), set(asked)
    while some := list(islice(by_chance, LOOKED_AT)):
        new = {each.prompt_hash: each for each in some if each.prompt_hash not in seen}
        known = frame.store.feedback.known_prompts(frame.model, new, up_to_id=up_to)
        seen |= new.keys()
        yield from (each for name, each in new.items() if name not in known)


def _taught(store: Store, model: str, choice: Choice, given: Vote, correction: str | None) -> str | None:
    """Keep what a vote teaches as feedback; its content hash, None where it teaches nothing."""
    better = {Vote.OURS: choice.ours_answer, Vote.THEIRS: choice.theirs_answer}.get(given)
    worse = {Vote.OURS: choice.theirs_answer, Vote.THEIRS: choice.ours_answer}.get(given)
    record = {"output": better or choice.theirs_answer, "rejected_output": worse, "correction": correction}
    if better is None and not correction:
        return None
    plain = {name: value for name, value in record.items() if value}
    posted = take_posted(store, model, [{"messages": list(choice.messages), **plain}], counted=False)
    return posted.ids[0]
