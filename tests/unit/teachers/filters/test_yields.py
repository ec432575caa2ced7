"""The yield of the filters: a sentence, sums over batches, and JSON."""

from adapterd.serialization import from_plain, to_plain
from adapterd.teachers.filters.yields import EXAMPLES, Yield, yield_of

NAMES = [("schema", "not by the schema"), ("near_frozen", "near a frozen set"), ("agreement", "without agreement")]
ONE = yield_of(
    NAMES, 5, 1, [("schema", "no JSON"), ("near_frozen", "near")], [("schema", "odd"), ("agreement", "1 of 3")]
)
OTHER = yield_of(NAMES, 3, 0, [("schema", f"fault {number}") for number in range(3)], [])


def test_a_yield_says_what_was_made_kept_and_dropped_in_order() -> None:
    assert str(ONE) == "5 made, 1 kept: 1 not by the schema, 1 near a frozen set; 2 to be looked at"
    assert str(Yield(2, 2)) == "2 made, 2 kept"


def test_yields_of_batches_add_up() -> None:
    whole = ONE + OTHER
    assert str(whole) == "8 made, 1 kept: 4 not by the schema, 1 near a frozen set; 2 to be looked at"
    assert whole.filters[0].examples == ("no JSON", "odd", "fault 0")
    assert len(whole.filters[0].examples) == EXAMPLES
    assert Yield() + ONE == ONE == ONE + Yield()


def test_a_yield_is_the_same_after_json() -> None:
    assert from_plain(to_plain(ONE), Yield) == ONE
