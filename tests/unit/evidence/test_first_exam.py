"""A set that chose among candidates is no first exam, by whatever name it goes today."""

from adapterd.store import Store
from tests.unit.evidence.played import MODEL, Played

CASES = [{"id": f"case{n}"} for n in range(3)]


def begins(played: Played, name: str, frozen: str) -> bool:
    version = played.candidate(name, frozen=frozen)
    return played.season.begin_first_exam(version, frozen, played.cases([0.1] * 6)) is not None


def test_a_set_that_grew_from_one_that_was_asked_is_none(store: Store, played: Played) -> None:
    store.evaluation_sets.freeze(MODEL, "small", CASES[:2])
    played.candidate("1.0.0", frozen="small")
    store.evaluation_sets.freeze(MODEL, "grown", CASES, grown=True)
    assert not begins(played, "1.1.0", "grown")


def test_nor_is_one_from_which_cases_were_taken_back_since(store: Store, played: Played) -> None:
    store.evaluation_sets.freeze(MODEL, "whole", CASES)
    played.candidate("1.0.0", frozen="whole")
    store.evaluation_sets.reduce(MODEL, 1, "reduced", CASES[:2])
    assert not begins(played, "1.1.0", "reduced")


def test_a_set_of_other_cases_is_one(store: Store, played: Played) -> None:
    store.evaluation_sets.freeze(MODEL, "first", CASES[:2])
    played.candidate("1.0.0", frozen="first")
    store.evaluation_sets.freeze(MODEL, "second", CASES[2:], by_hand=True)
    assert begins(played, "1.1.0", "second")
