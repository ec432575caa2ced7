"""A person may drop the challenger while a night asks."""

from adapterd.store.versions import VersionState
from tests.unit.evidence.played import Played


def test_a_challenger_that_was_dropped_while_it_was_asked_stays_dropped(played: Played) -> None:
    comparison = played.challenger("1.0.0")
    played.season.drop(comparison, "by hand")
    standing = played.season.add(comparison, played.cases([0.9] * 60))
    assert standing.is_proven
    assert played.season.decide(comparison, standing) is None
    assert played.state("1.0.0") is VersionState.DROPPED
