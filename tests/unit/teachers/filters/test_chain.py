"""What of a teacher's examples is kept, and which filter says why the rest is not."""

import json
from dataclasses import replace

import pytest

from adapterd.chat import Message, Role
from adapterd.config import Task
from adapterd.evaluation.metrics.json_answers.schema import JsonSchema
from adapterd.teachers.filters.form import FEW_LABELLED
from adapterd.teachers.filters.verdict import Against, Known
from adapterd.teachers.request import Candidate, Kind
from tests.unit.teachers.filters.making import SOURCE, candidate, grounded, prompt, said, sifted

SCHEMA = {"type": "object", "properties": {"owner": {"type": "string"}}, "required": ["owner"]}
JSON = Against(Task.JSON, JsonSchema(SCHEMA))
LABELS = Against(Task.CLASSIFICATION, labels=frozenset({"Sport", "Politics"}))
LONG = " ".join(f"word{number}" for number in range(60))


@pytest.mark.parametrize(
    ("made", "name"),
    [
        (candidate("She owns", complete=False), "complete"),
        (candidate(" \n"), "complete"),
        (candidate("…"), "complete"),
        (candidate("<think>well</think>Whitfield"), "complete"),
        (candidate("It is so. " * 30), "complete"),
        (candidate("Who owns the ferry at the bay? She does.", "Who owns the ferry at the bay?"), "complete"),
        (grounded("It belongs to Marta Olsen [a]."), "grounded"),
        (grounded("It cost 13,577 dollars [a]."), "grounded"),
        (grounded("It belongs to Grace Whitfield [b]."), "grounded"),
        (grounded("It belongs to Grace Whitfield."), "grounded"),
        (grounded("The passage does not say who owns it [a]."), "refusal"),
        (candidate("I cannot answer that."), "refusal"),
        (
            candidate("The source does not mention it, but 1987.", kind=Kind.REFUSAL, sources=(SOURCE,)),
            "refusal",
        ),
        (candidate(LONG, f"Summarise: {LONG} and so on"), "copied"),
    ],
)
def test_one_with_a_fault_is_dropped_by_its_filter(made: Candidate, name: str) -> None:
    found = sifted(made)
    assert [each.filter for each in found.dropped] == [name]
    assert found.kept == ()


@pytest.mark.parametrize(
    "made",
    [
        grounded("It belongs to Grace Whitfield [a]."),
        candidate("Johann Wolfgang von Goethe wrote it in 1808.", "Who wrote Faust?"),
        candidate("The passage does not say how deep the bay is.", kind=Kind.REFUSAL, sources=(SOURCE,)),
        candidate("Whitfield", kind=Kind.WORSE, rejected="Marta Olsen, 1654"),
    ],
)
def test_a_good_one_is_kept(made: Candidate) -> None:
    assert sifted(made).kept == (made,)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ('{"owner": "Whit', "the answer is no valid JSON"),
        ('{"person": "x"}', "the schema does not allow the answer: $: 'owner' is a required property"),
    ],
)
def test_json_has_to_be_by_the_schema(answer: str, reason: str) -> None:
    assert said(sifted(candidate(answer), against=JSON)) == [("schema", reason)]


@pytest.mark.parametrize(
    ("answer", "people", "found"),
    [
        ("Sport", 5, []),
        ("Weather", FEW_LABELLED, [("schema", "the answer is none of the known labels")]),
        ("Weather", 5, [("schema", "people gave no such label yet: Weather")]),
        ("It is about the weather", 5, [("schema", "the answer is none of the known labels")]),
    ],
)
def test_a_label_has_to_be_one_that_people_gave(answer: str, people: int, found: list[tuple[str, str]]) -> None:
    kept = [Known(prompt(f"text {number}"), "Sport", by_person=True) for number in range(people)]
    assert said(sifted(candidate(answer), against=replace(LABELS, kept=kept))) == found


RULES = "Answer politely and in at most three sentences. " * 6


@pytest.mark.parametrize(
    ("rules", "asked", "name"),
    [
        (RULES, "Who wrote Faust?", None),
        (RULES, f"Who owns it? {SOURCE}", "grounded"),
        (SOURCE * 10, "Who owns it?", "grounded"),  # as long as a handbook
    ],
)
def test_instructions_of_several_prompts_are_nothing_that_an_answer_rests_on(
    rules: str, asked: str, name: str | None
) -> None:
    made = [
        replace(candidate(answer), messages=(Message(Role.SYSTEM, rules), *prompt(text)))
        for text, answer in ((asked, "It was Johann Goethe."), ("What is this, in one word?", "Good."))
    ]
    assert {each.filter for each in sifted(*made).dropped} == ({name} if name else set())
    assert {each.filter for each in sifted(made[0]).dropped} == {"grounded"}  # alone it may be material


def test_what_may_be_computed_is_looked_at_by_a_person() -> None:
    found = sifted(grounded("With its owner 12,034 dollars and people are counted [a]."))
    assert [each.filter for each in found.unsure] == ["grounded"]
    assert found.counted.unsure == 1


def test_what_one_filter_is_unsure_of_a_later_one_may_drop() -> None:
    asked = "Which ferry crosses the old bay at noon?"
    made = grounded("With its owner 12,034 dollars and people are counted [a].", asked)
    found = sifted(made, against=Against(Task.GENERATION, frozen=[prompt(asked[:-1])]))
    assert [each.filter for each in found.dropped] == ["near_frozen"]
    assert found.unsure == ()


def test_the_same_is_kept_once_and_not_beside_what_is_kept() -> None:
    made = candidate("Whitfield")
    assert said(sifted(made, made)) == [("duplicate", "another candidate is the same")]
    kept = Against(Task.GENERATION, kept=[Known(prompt("Who owns the ferry?"), "whitfield ")])
    assert [name for name, _ in said(sifted(made, against=kept))] == ["duplicate"]


def test_a_variation_is_near_what_it_varies_and_nothing_else_may_be() -> None:
    kept = Against(Task.GENERATION, kept=[Known(prompt("Who owns the ferry at Dunmore?"), "Whitfield", "r1")])
    made = candidate("Whitfield", "who owns the fery at Dunmore", Kind.VARIATION, records=("r1",))
    assert sifted(made, against=kept).kept == (made,)
    assert said(sifted(replace(made, records=()), against=kept)) == [
        ("near_duplicate", "the prompt is nearly one that is kept already")
    ]


@pytest.mark.parametrize("count", [2, 3, 5])
def test_few_questions_behind_the_same_instructions_are_told_apart(count: int) -> None:
    rules = Message(Role.SYSTEM, LONG)
    asked = ["Who wrote Faust?", "Is there a lift?", "Where can I park?", "Do you have maps?", "May I eat inside?"][
        :count
    ]
    made = [replace(candidate("Upstairs."), messages=(rules, *prompt(each))) for each in asked]
    known = [Known((rules, *prompt("When does it open?")), "At nine.")]
    assert said(sifted(*made, against=Against(Task.GENERATION, kept=known))) == []
    again = replace(made[0], messages=(rules, *prompt("Who wrote the Faust?")))
    assert said(sifted(made[0], again)) == [("near_duplicate", "the prompt is nearly that of another candidate")]


FROZEN = "Which bridges over the river Tern were closed in the week of the storm?"


@pytest.mark.parametrize(
    "asked",
    [
        f"Hello! I hope you are well. I have a question for you today, please. {FROZEN} Thank you so much for that!",
        f"You are the assistant of a newspaper, answer briefly and only from it.\n\nQ: {FROZEN.upper()}\nA:",
        f"{FROZEN} And which of them are open again, and who paid for the work on all of it so far?",
    ],
)
def test_a_frozen_prompt_within_other_words_is_not_taught(asked: str) -> None:
    found = sifted(candidate("Two of them.", asked), against=Against(Task.GENERATION, frozen=[prompt(FROZEN)]))
    assert [each.filter for each in found.dropped] == ["near_frozen"]


def test_a_frozen_prompt_within_a_source_is_not_taught() -> None:
    made = replace(grounded("Grace Whitfield [a]"), sources=(f"{SOURCE} {FROZEN} That was asked often. {SOURCE}",))
    found = sifted(made, against=Against(Task.GENERATION, frozen=[prompt(FROZEN)]))
    assert said(found) == [("near_frozen", "a source is nearly a prompt of a frozen set")]


@pytest.mark.parametrize(
    ("frozen", "asked"),
    [
        ("Translate it.", "Translate it. The ferry Aurora has crossed the bay at Dunmore since 1987."),
        (FROZEN, FROZEN.replace("Tern", "Lune") + " Thank you so much for your help, have a nice day and good luck!"),
        (f"{FROZEN} Name them.", f"Hello! {FROZEN} Please answer with a number and with nothing else, thank you, bye."),
    ],
    ids=["a few words", "asked of another river", "not all of it"],
)
def test_what_has_not_all_of_a_frozen_prompt_is_kept(frozen: str, asked: str) -> None:
    found = sifted(candidate("Two of them.", asked), against=Against(Task.GENERATION, frozen=[prompt(frozen)]))
    assert [each.answer for each in found.kept] == ["Two of them."]


def test_the_last_turn_of_a_conversation_asks_nothing_without_the_others() -> None:
    turn = Message(Role.USER, "And which of these is the oldest of them all, please?")
    frozen = (Message(Role.USER, "Name ferries."), Message(Role.ASSISTANT, "Aurora, Tern."), turn)
    made = candidate("The oldest is Aurora.", f"Here are three castles: Ash, Elm, Oak. {turn.content} Thank you!")
    found = sifted(made, against=Against(Task.GENERATION, frozen=[frozen]))
    assert [each.answer for each in found.kept] == ["The oldest is Aurora."]


def test_a_source_near_a_frozen_prompt_is_not_taught() -> None:
    made = grounded("It belongs to Grace Whitfield [a].", "And who is the owner of all that, please?")
    found = sifted(made, against=Against(Task.GENERATION, frozen=[prompt(f"Summarise: {SOURCE}")]))
    assert said(found) == [("near_frozen", "a source is nearly a prompt of a frozen set")]


def test_a_persons_answer_wins_against_a_teachers() -> None:
    kept = Against(Task.GENERATION, kept=[Known(prompt("Who owns the ferry?"), "Whitfield", by_person=True)])
    assert said(sifted(candidate("Olsen"), against=kept)) == [
        ("contradiction", "a person answered the same prompt otherwise")
    ]


def test_of_persons_answers_to_one_prompt_the_newest_counts() -> None:
    newest_first = [
        Known(prompt("Who owns the ferry?"), "Whitfield", "r2", by_person=True),
        Known(prompt("WHO owns the ferry?"), "Olsen and her sons of Dunmore own it", "r1", by_person=True),
    ]
    found = sifted(
        candidate("It is Olsen and her sons of Dunmore, they own it"),
        against=Against(Task.GENERATION, kept=newest_first),
    )
    assert said(found) == [("contradiction", "a person answered the same prompt otherwise")]


PEOPLE = ("Ada Weber", "Bert Klein", "Cleo Adam", "Dora Lang", "Emil Voss", "Fritz Horn")
LISTED = [{"name": name, "role": "member of the council", "is_present": True} for name in PEOPLE]
TABLE = "\n".join(f"| {name} | opens at 9 | closes at 17 |" for name in PEOPLE)


@pytest.mark.parametrize(
    ("answer", "keeps"),
    [
        (json.dumps({"people": LISTED}), True), (json.dumps(LISTED, indent=1), True), (json.dumps([0, 0, 0] * 9), True),
        (json.dumps(["yes", "no", "no", "yes", "yes"] * 2), True),
        (json.dumps(LISTED[:1] * 6), False), (json.dumps({"people": ["Ada Weber of Ulm", "Bert of Gera"] * 3}), False),
        (json.dumps(["Ada"] * 12), False), (json.dumps({"notes": "It is as it is. " * 9}), False), (TABLE, False),
    ],
)  # fmt: skip
def test_a_list_is_no_repetition(answer: str, keeps: bool) -> None:
    asked = f"List the members of the council, all present: {', '.join(PEOPLE)}; 0 9 17"
    found = sifted(candidate(answer, asked))
    assert bool(found.kept) is keeps, said(found)
    assert keeps or {each.filter for each in (*found.dropped, *found.unsure)} == {"complete"}


def test_what_a_person_wrote_may_repeat_itself() -> None:
    made = candidate(TABLE, f"When is it open? {TABLE[:40]}", kind=Kind.VARIATION)
    assert "complete" not in [name for name, _ in said(sifted(made))]


def test_among_teachers_the_majority_wins() -> None:
    right, wrong = candidate("Whitfield", others=("Whitfield",)), candidate("Olsen")
    found = sifted(right, wrong)
    assert found.kept == (right,)
    assert [each.filter for each in found.dropped] == ["contradiction"]
    assert [each.filter for each in sifted(candidate("Whitfield"), wrong).unsure] == ["contradiction"] * 2


@pytest.mark.parametrize(
    ("answer", "others", "keeps"),
    [
        ("Whitfield", ("Whitfield", "Olsen"), True),
        ("Whitfield", ("Olsen", "Olsen"), False),
        ("Whitfield", ("Olsen",), False),
        ('{"owner": "x", "n": 1}', ('{"n": 1.0, "owner": "X"}', "none"), True),
        ('{"owner": "x", "n": 1}', ('{"owner": "x", "n": 2}', '{"owner": "x", "n": 3}'), False),
        ("The ferry belongs to Grace Whitfield now.", ("Grace Whitfield owns the ferry now.",) * 2, True),
        ("The ferry was bought for 12 dollars by her.", ("The ferry was bought for 13 dollars by her.",) * 2, False),
    ],
)
def test_several_answers_have_to_agree(answer: str, others: tuple[str, ...], keeps: bool) -> None:
    found = sifted(candidate(answer, others=others))
    assert bool(found.kept) is keeps
    assert [each.filter for each in found.unsure] == ([] if keeps else ["agreement"])


def test_a_field_that_is_a_judgement_is_not_checked() -> None:
    made = [
        candidate(f'{{"owner": "Grace Whitfield", "mood": "Cheerful", "n": {number}}}', f"{SOURCE} {LONG} {number * 7}")
        for number in range(1, 7)
    ]
    found = sifted(*made, against=Against(Task.JSON))
    assert not [each for each in (*found.dropped, *found.unsure) if each.filter == "grounded"]


def test_every_candidate_is_counted_once() -> None:
    made = [candidate(""), candidate("Whitfield"), candidate("Whitfield"), grounded("Marta Olsen did [a].")]
    counted = sifted(*made).counted
    assert counted.made == len(made) == counted.kept + counted.dropped + counted.unsure
