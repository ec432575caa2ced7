"""What teachers have made, of all rounds and of the last one."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from adapterd.store import Store
from adapterd.store.teaching.examples import BY_PERSON, FORM, JUDGE, UNJUDGED, ExampleState, NewExample
from adapterd.teachers.filters.chain import FILTERS
from adapterd.teachers.filters.names import SAID
from adapterd.teachers.rounds import made_by_teachers, made_of, round_name

MODEL = "m"
NEW = NewExample(
    "answer", "big", "big:70b", "p", [{"role": "user", "content": "Who?"}], "Ada", ExampleState.KEPT, run="teach 1"
)
NAMES = [*SAID, FORM, UNJUDGED, "another", None]


def add(store: Store, state: ExampleState, name: str | None = None, run: str = "teach 1", teacher: str = "big") -> int:
    found = store.teaching.examples.add(MODEL, replace(NEW, state=state, filter=name, run=run, teacher=teacher))
    assert found
    return found


def test_nothing_is_told_where_nothing_was_made(store: Store) -> None:
    assert made_by_teachers(store, MODEL) is None


def test_all_rounds_and_the_last_one_are_told_apart(store: Store) -> None:
    for name in ("schema", "schema", "near_frozen", FORM):
        add(store, ExampleState.DROPPED, name)
    add(store, ExampleState.KEPT)
    add(store, ExampleState.UNSURE, "grounded", "night 2", "other")
    add(store, ExampleState.DROPPED, "complete", "night 2", "other")
    found = made_by_teachers(store, MODEL)
    assert found
    assert found.last_round
    assert str(found.of_all) == (
        "6 made, 1 kept: 1 not complete, 2 not by the schema, 1 near a frozen set; 1 to be looked at; "
        "1 answers had not the form that was asked for"
    )
    assert (found.last_round.teacher, str(found.last_round.made)) == (
        "other", "2 made, 0 kept: 1 not complete; 1 to be looked at",
    )  # fmt: skip
    assert found.unsure == 1


def test_what_people_say_counts(store: Store) -> None:
    kept, dropped = (add(store, ExampleState.UNSURE, "grounded") for _ in range(2))
    store.teaching.examples.decide(MODEL, kept, ExampleState.KEPT, BY_PERSON, None)
    store.teaching.examples.decide(MODEL, dropped, ExampleState.DROPPED, BY_PERSON, None)
    found = made_by_teachers(store, MODEL)
    assert found
    assert str(found.of_all) == "2 made, 1 kept: 1 dropped by people"


@given(st.dictionaries(st.tuples(st.sampled_from(ExampleState), st.sampled_from(NAMES)), st.integers(1, 500)))
def test_numbers_add_up(filtered: dict[tuple[ExampleState, str | None], int]) -> None:
    found = made_of(filtered)
    assert found.counted.kept + found.counted.dropped + found.counted.unsure == found.counted.made
    assert found.counted.made + found.formless == sum(filtered.values())


def test_every_filter_has_its_words_in_the_order_of_the_filters() -> None:
    assert [*((each.name, each.said) for each in FILTERS), (JUDGE, SAID[JUDGE]), (BY_PERSON, SAID[BY_PERSON])] == [
        *SAID.items()
    ]


def test_no_two_rounds_have_one_name(store: Store) -> None:
    assert len({round_name("teach", store.clock()) for _ in range(20)}) > 1
