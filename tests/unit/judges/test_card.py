"""The card of a judge as it is shown: the estimate, why it is advice, whom it may favour, what is left to ask."""

from dataclasses import replace
from pathlib import Path

import pytest

from adapterd.config import Settings
from adapterd.errors import NotFoundError
from adapterd.home import Home
from adapterd.judges.card import ShownJudge, shown_judge
from adapterd.judges.round import prepare
from adapterd.review.choices import pair_of
from adapterd.store import Store
from adapterd.store.evidence.comparisons import Comparison
from tests.support.judged import BAD, BY_URL, GOOD, ScriptedJudge, add_pairs, add_votes, by_quality, judge_at
from tests.unit.evidence.played import MODEL

WINS = [number % 4 != 0 for number in range(32)]


def asked_and_shown(store: Store, home: Home, settings: Settings, limit: int | None = None) -> ShownJudge:
    pair = pair_of(store, MODEL)
    prepare(store, home, settings, MODEL, pair, limit).ask()
    return shown_judge(store, settings, MODEL, pair)


def said_by(found: ShownJudge) -> str:
    return "\n".join(found.sentences())


def test_a_judge_that_agrees_is_calibrated_by_people(store: Store, home: Home, comparison: Comparison) -> None:
    def nearly_right(first: str, second: str) -> str:
        return '{"winner": "tie"}' if "7" in first else by_quality(first, second)

    with judge_at(home, ScriptedJudge(nearly_right)) as settings:
        add_votes(store, comparison, WINS)
        add_pairs(store, comparison, [(GOOD, BAD)] * 30 + [(BAD, GOOD)] * 10)
        found = asked_and_shown(store, home, settings)
        assert found.advice == ""
        assert found.share is not None
        assert (found.share.votes, found.share.pool) == (32, 40)
        assert found.share.interval.low < 0.75 < found.share.interval.high
        assert found.card.repeated.count == found.card.repeated.of == 20
        [look] = found.looks
        told = said_by(found)
        assert "judged_preference of 1.0.0 against base: 7" in told
        assert "by 32 votes and 40 further verdicts, calibrated by people." in told
        assert "human_preference by the same votes alone: 75%" in told
        assert f"look 1: judged_preference {look.value:.0%}" in told
        assert "κ" in told


def test_few_votes_are_advice_and_what_is_left_is_said(store: Store, home: Home, comparison: Comparison) -> None:
    with judge_at(home, ScriptedJudge()) as settings:
        add_votes(store, comparison, WINS[:5])
        add_pairs(store, comparison, [(GOOD, BAD)] * 4)
        found = asked_and_shown(store, home, settings, limit=7)
        assert (found.open, found.looks) == (2, ())
        assert "5 of the 30 votes on a random part are there" in found.advice
        assert "advice only" in said_by(found)
        assert "2 pairs have no verdict of it yet" in said_by(found)


def test_it_repeats_itself_on_whatever_versions_it_was_asked_of(
    store: Store, home: Home, comparison: Comparison
) -> None:
    with judge_at(home, ScriptedJudge()) as settings:
        for each in add_pairs(store, comparison, [(GOOD, BAD)] * 20):
            store.execute("UPDATE choices SET ours_digest = 'sha256:earlier' WHERE id = ?", (each.id,))
        earlier = replace(pair_of(store, MODEL), ours_digest="sha256:earlier", comparison=None)
        prepare(store, home, settings, MODEL, earlier).ask()
        add_pairs(store, comparison, [(GOOD, BAD)] * 2)
        found = asked_and_shown(store, home, settings)
        assert (found.card.pairs, found.card.repeated.of) == (2, 20)
        assert "it says the same of 20 of 20" in said_by(found)


def test_the_command_that_goes_on_names_the_versions(store: Store, home: Home, comparison: Comparison) -> None:
    with judge_at(home, ScriptedJudge()) as settings:
        add_pairs(store, comparison, [(GOOD, BAD)] * 2)
        assert "`adapterctl judge run m`" in said_by(asked_and_shown(store, home, settings, limit=1))
        alone = replace(pair_of(store, MODEL), comparison=None)
        told = said_by(shown_judge(store, settings, MODEL, alone))
        assert "`adapterctl judge run m --ours 1.0.0 --theirs base`" in told


def test_without_votes_no_share_is_known(store: Store, home: Home, comparison: Comparison) -> None:
    with judge_at(home, ScriptedJudge()) as settings:
        add_pairs(store, comparison, [(GOOD, BAD)] * 4)
        found = asked_and_shown(store, home, settings)
        assert found.share is None
        assert "people have to vote on pairs that it judged" in said_by(found)


@pytest.mark.parametrize(("pinned", "advises"), [("", True), ("\npinned = true", False)])
def test_weights_that_nobody_sees_advise_unless_they_are_pinned(
    store: Store, home: Home, comparison: Comparison, pinned: str, advises: bool
) -> None:
    with judge_at(home, ScriptedJudge(), BY_URL + pinned) as settings:
        add_votes(store, comparison, WINS)
        found = asked_and_shown(store, home, settings)
        assert bool(found.advice) == advises
        assert ("judges.big.pinned" in said_by(found)) == advises
        assert (found.looks == ()) == advises


def test_to_pin_it_later_keeps_its_verdicts(store: Store, home: Home, comparison: Comparison) -> None:
    judge = ScriptedJudge()
    with judge_at(home, judge, BY_URL) as settings:
        add_votes(store, comparison, WINS)
        assert asked_and_shown(store, home, settings).looks == ()
    asked = len(judge.shown)
    address = settings.judges["big"].base_url
    with judge_at(home, judge, f'base_url = "{address}"\npinned = true') as again:
        pair = pair_of(store, MODEL)
        assert len(prepare(store, home, again, MODEL, pair).open) == 0
        assert shown_judge(store, again, MODEL, pair).advice == ""
    assert len(judge.shown) == asked


def test_it_is_warned_of_families(store: Store, home: Home, comparison: Comparison) -> None:
    with judge_at(home, ScriptedJudge()) as settings:
        text = home.config_file.read_text(encoding="utf-8").replace('"tiny:1"', '"big:0.5b"')
        home.config_file.write_text(f"{text}[teachers.t]\nmodel = 'big:1'\n", encoding="utf-8")
        from adapterd import config

        del settings
        add_pairs(store, comparison, [(GOOD, BAD)])
        told = said_by(asked_and_shown(store, home, config.load(home)))
        assert "the student big:0.5b are both called big" in told
        assert "is the teacher itself" in told


def test_verdicts_of_another_judge_are_counted_apart(store: Store, home: Home, comparison: Comparison) -> None:
    judge = ScriptedJudge()
    with judge_at(home, judge) as settings:
        add_votes(store, comparison, WINS[:5])
        asked_and_shown(store, home, settings)
        judge.digest = "b" * 64
        found = asked_and_shown(store, home, settings)
        assert found.card.pairs == 5
        assert "5 verdicts are of other judges" in said_by(found)


def test_a_judge_that_was_never_asked_is_said(store: Store, home: Home, comparison: Comparison, tmp_path: Path) -> None:
    with (
        judge_at(home, ScriptedJudge()) as settings,
        pytest.raises(NotFoundError, match="was asked nothing of m yet") as caught,
    ):
        shown_judge(store, settings, MODEL, pair_of(store, MODEL))
    assert caught.value.hint == "adapterctl judge run m"
