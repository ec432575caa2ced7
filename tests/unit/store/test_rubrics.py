"""Key facts stay with their case, and an answer has one mark."""

from dataclasses import replace

from adapterd.store import Store
from adapterd.store.reviews.rubrics import Mark, facts_hash

MARK = Mark("case", "answer", facts_hash(("one", "two")), 2, (0,), True)


def test_facts_of_a_case_are_replaced(store: Store) -> None:
    store.rubrics.put_facts("m", "case", ["one"])
    store.rubrics.put_facts("m", "case", ["one", "„zwei“"])
    store.rubrics.put_facts("other", "case", ["three"])
    assert store.rubrics.facts("m") == {"case": ("one", "„zwei“")}


def test_an_answer_has_one_mark_and_the_latest_comes_last(store: Store) -> None:
    other = replace(MARK, answer="another", on_topic=False)
    for mark in (MARK, other, again := replace(MARK, ticked=(0, 1))):
        store.rubrics.mark("m", mark)
    assert store.rubrics.marks("m") == [other, again]
    store.rubrics.forget_mark("m", again)
    assert store.rubrics.marks("m") == [other]
    assert store.rubrics.marks("n") == []


def test_a_case_is_forgotten_with_its_marks(store: Store) -> None:
    store.rubrics.put_facts("m", "facts alone", [])
    for case in ("case", "stays"):
        store.rubrics.mark("m", replace(MARK, case=case))
    assert store.rubrics.cases("m") == {"facts alone", "case", "stays"}
    store.rubrics.forget("m", ["facts alone", "case", "never there"])
    assert store.rubrics.cases("m") == {"stays"}


def test_lists_of_facts_are_told_apart() -> None:
    assert len({facts_hash(each) for each in ((), ("",), ("a", "b"), ("b", "a"), ("a\nb",), ('a", "b',))}) == 6
