"""Which facts a reference is taken to state, and what somebody may give in their place."""

import pytest

from adapterd.errors import InputError
from adapterd.review.facts import MOST_CHARACTERS, MOST_FACTS, edited, proposed


@pytest.mark.parametrize(
    ("reference", "facts"),
    [
        ("", ()),
        ("  \n ", ()),
        ("The council met. It chose Dr. A. Berg as mayor!", ("The council met.", "It chose Dr. A. Berg as mayor!")),
        ("It costs 3.50 euros, e.g. on Monday. Who pays?", ("It costs 3.50 euros, e.g. on Monday.", "Who pays?")),
        ("He said „No.“ Then he left", ("He said „No.“", "Then he left")),
        ("# News\n- the bridge\n2. the school\n* the bridge", ("News", "the bridge", "the school")),
        ("会议召开了。市长辞职了！", ("会议召开了。", "市长辞职了！")),
        ('{"place": "Oslo", "n": 1.0, "ok": null}', ("place: Oslo", "n: 1", "ok: null")),
        ('{"a": {"b": [1, {"c": "x\\ny"}]}, "e": [], "t": true}', ("a.b[0]: 1", "a.b[1].c: x y", "e: []", "t: true")),
        ('```json\n{"place": "Oslo"}\n```', ("place: Oslo",)),
        ('["one", "two"]', ("[0]: one", "[1]: two")),
        ('{"a": 1', ('{"a": 1',)),
        ("{}", ()),
        ("42", ("42",)),
        ("before\n```\ncode\n```", ("before", "code")),
    ],
)
def test_facts_are_proposed_from_the_reference(reference: str, facts: tuple[str, ...]) -> None:
    assert proposed(reference) == facts


def test_what_a_test_set_names_comes_first() -> None:
    assert proposed("The council met. It rained.", ("It met on Monday.", " ")) == ("It met on Monday.",)


@pytest.mark.parametrize(
    "reference",
    ["x" * 5000, "Is it? " * 400, '["' + '", "'.join(map(str, range(500))) + '"]', "x" * 999 + " and so on",
     f"{'x' * 1000} one\n{'x' * 1000} two"],
)  # fmt: skip
def test_what_is_proposed_can_be_kept(reference: str) -> None:
    facts = proposed(reference)
    assert edited("\r\n".join(facts)) == facts


def test_one_fact_a_line() -> None:
    assert edited(" one \r\n\n two\tand  a half\n one\u2028three") == ("one", "two and a half", "three")
    assert edited("") == ()


@pytest.mark.parametrize("text", ["\n".join(map(str, range(MOST_FACTS + 1))), "x" * (MOST_CHARACTERS + 1)])
def test_facts_have_limits(text: str) -> None:
    with pytest.raises(InputError, match="at most"):
        edited(text)
