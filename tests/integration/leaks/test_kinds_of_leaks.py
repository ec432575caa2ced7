"""Nothing of a frozen set gets into training: kinds of inputs that did, each with several instances."""

import unicodedata
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from adapterd.chat import Message, Role
from adapterd.config import DatasetSettings, Sources
from adapterd.dataset.cases import EvaluationCase
from adapterd.dataset.examples import Example
from adapterd.dataset.split import Split, split, split_pairs
from adapterd.dataset.statements import resolve
from adapterd.record import FeedbackRecord

START = datetime(2026, 5, 4, 9, tzinfo=UTC)
TOWNS = ("Aldmoor", "Brackley", "Corvale", "Dunmere", "Eskford", "Farleigh", "Gorsey", "Hexley", "Ilverton", "Jarrow")
ORDERS = ("boots", "seven lamps", "a ladder", "wool", "two kettles", "rope", "paint", "nails", "a map", "candles")
SETTINGS = DatasetSettings(max_near_duplicates=1.0)


def record(asked: str | Sequence[str], answer: str, day: int, source_id: str | None = None) -> FeedbackRecord:
    """A correction; `asked` are the turns of a conversation, the first is the user's."""
    turns = [asked] if isinstance(asked, str) else asked
    roles = (Role.USER, Role.ASSISTANT)
    messages = tuple(Message(roles[place % 2], text) for place, text in enumerate(turns))
    return FeedbackRecord(messages, correction=answer, created_at=START + timedelta(days=day), source_id=source_id)


def others() -> list[FeedbackRecord]:
    """Ten prompts that have nothing to do with each other."""
    return [
        record(f"{town} has ordered {order}. Who delivers?", f"Carrier {town[0]}", day)
        for day, (town, order) in enumerate(zip(TOWNS, ORDERS, strict=True))
    ]


def divided(
    records: Sequence[FeedbackRecord], later: Sequence[FeedbackRecord] = (), settings: DatasetSettings = SETTINGS
) -> Split:
    """The split of a first run and, if something came later, of a second one."""
    first = split(resolve(records).examples, settings, frozen=(), evaluation_prompt_hashes=set())
    if not later:
        return first
    judged = {case.prompt_hash for case in first.evaluation}
    examples = resolve([*records, *later]).examples
    return split(examples, settings, frozen=first.evaluation, evaluation_prompt_hashes=judged)


def used(sets: Split) -> set[str]:
    return {each.record for each in sets.train + sets.validation}


FORMS = [
    ("Titel: Bürgermeisterin eröffnet Brücke", "Überschrift: Müller fährt Räder"),
    ("제목: 새 다리가 열렸다", "요약: 시장이 항구를 찾았다"),
    ("Tiêu đề: cầu mới đã mở cửa", "Tóm tắt: chợ đêm bên sông"),
]


@pytest.mark.parametrize("prompts", FORMS)
def test_prompts_in_another_form_of_unicode_are_held_out(prompts: tuple[str, str]) -> None:
    judging = [record(text, "A", 20 + place) for place, text in enumerate(prompts)]
    again = [record(unicodedata.normalize("NFD", text), "B", 30 + place) for place, text in enumerate(prompts)]
    sets = divided([*others(), *judging], again)
    assert {case.record for case in sets.evaluation} == {each.content_hash for each in judging}
    assert not used(sets) & {each.content_hash for each in again}
    assert len({each.prompt_hash for each in judging + again}) == 2


SHORT = [
    ("Translate to French: see you soon", "Translate to French: see you soon.", "translate to French: “see you soon”"),
    ("Mood: what a lovely day ❤", "Mood: what a lovely day ❤️!", "mood:   what a lovely day ❤\n"),
    ("Capital of Peru", "Capital of Peru?", "Ｃａｐｉｔａｌ ｏｆ Ｐｅｒｕ"),
    ("总结：河水上涨了", "总结：河水上涨了。", "总结: 河水上涨了!"),
    ("要約：橋が開通した", "要約：橋が開通した。", "「要約：橋が開通した」"),
    ("อารมณ์: วันนี้อากาศดีมาก", "อารมณ์: วันนี้อากาศดีมาก!", "อารมณ์:วันนี้อากาศดีมาก"),
]


@pytest.mark.parametrize(("prompt", "one", "other"), SHORT)
def test_short_prompts_that_differ_by_their_form_are_held_out(prompt: str, one: str, other: str) -> None:
    judging = [record("Name the tallest tower of the old town", "The water tower", 19), record(prompt, "A", 20)]
    again = [record(one, "B", 30), record(other, "C", 31)]
    sets = divided([*others(), *judging], again)
    assert len(sets.evaluation) == 2
    assert not used(sets) & {each.content_hash for each in again}


CONVERSATIONS = [
    ("Write a packing list", "Tent, stove, two blankets, the blue map and a torch.", "And for snow?", "Add skis."),
    (
        "Wie backe ich Brot ohne Hefe?",
        "Mit Natron, Buttermilch und etwas Salz, eine halbe Stunde.",
        "Und süß?",
        "Mit Honig.",
    ),
    (
        "春の遠足の計画を立てて",
        "朝八時に駅に集まり、川沿いを歩いて昼は公園で弁当を食べます。",
        "雨なら？",
        "博物館へ行きます。",
    ),
]


@pytest.mark.parametrize("turns", CONVERSATIONS)
def test_a_conversation_that_goes_on_behind_a_frozen_case_is_held_out(turns: tuple[str, str, str, str]) -> None:
    asked, answer, more, last = turns
    judging = [record("Name the tallest tower of the old town", "The water tower", 19), record(asked, answer, 20)]
    sets = divided([*others(), *judging], [going_on := record((asked, answer, more), last, 30)])
    assert going_on.content_hash not in used(sets)
    assert sets.given_away == 1


@pytest.mark.parametrize("turns", CONVERSATIONS)
def test_a_prompt_that_holds_the_reference_of_a_frozen_case_is_held_out(turns: tuple[str, str, str, str]) -> None:
    asked, answer, more, last = (text * 2 for text in turns)
    judging = [record("Name the tallest tower of the old town", "The water tower", 19), record(asked, answer, 20)]
    sets = divided([*others(), *judging], [holding := record(f"{more} Make it shorter: {answer}", last, 30)])
    assert holding.content_hash not in used(sets)


@pytest.mark.parametrize("turns", CONVERSATIONS)
def test_a_conversation_that_is_logged_turn_by_turn_is_on_one_side(turns: tuple[str, str, str, str]) -> None:
    asked, answer, more, last = turns
    logged = [
        record(asked, answer, 20), record((asked, answer, more), last, 21),
        record((asked, answer, more, last, f"{more} {asked}"), answer, 22),
    ]  # fmt: skip
    sets = divided([*others(), *logged])
    judging = {case.record for case in sets.evaluation}
    of_conversation = {each.content_hash for each in logged}
    assert not (judging & of_conversation and used(sets) & of_conversation)


PAIRS_OF_MEANING = [
    ("Is it a country or a pronoun: US", "Is it a country or a pronoun: us"),
    ("Expand the abbreviation: WHO", "Expand the abbreviation: who"),
    ("What is printed?\nfor n in a:\n    f(n)\ng()", "What is printed?\nfor n in a:\n    f(n)\n    g()"),
    ("Explain this:\n- a\n- b", "Explain this:\n- a\n  - b"),
]


@pytest.mark.parametrize("prompts", PAIRS_OF_MEANING)
def test_prompts_in_which_case_or_indentation_is_the_point_are_two(prompts: tuple[str, str]) -> None:
    records = [record(text, f"answer {place}", place) for place, text in enumerate(prompts)]
    assert [each.completion for each in resolve(records).examples] == ["answer 0", "answer 1"]


ARTICLES = [
    "The ferry of {} runs again since Monday. Its new engine was built by pupils of the harbour school, who tried it "
    "on the pond first. The captain says that it is quieter than the old one, and that the gulls are back on its deck.",
    "Die Mühle von {} mahlt wieder Dinkel. Das Rad aus Lärche haben Lehrlinge gebaut und zuerst am Bach versucht. Der "
    "Müller sagt, es laufe leiser als das alte, und die Störche seien auf das Dach zurückgekehrt.",
    "{}的老茶馆重新开门了。新的木台由学徒们搭建，先在河边试用过。掌柜说这里比从前安静，而且燕子已经回到屋檐下做窝。说书人每天晚上讲从前渡口的大洪水。",
]  # fmt: skip


@pytest.mark.parametrize("article", ARTICLES)
def test_three_variants_of_one_article_in_a_small_set_are_found(article: str) -> None:
    judging = record(f"Title: {article.format('Osterby')}", "A", 20)
    variants = [
        record(f"Title: {article.format(place)}", "B", day) for day, place in enumerate(("Westby", "Nordby", "Sudby"))
    ]
    fresh = split(
        resolve([*others()[:9], *variants, judging]).examples, replace(SETTINGS, evaluation_max=1), frozen=(),
        evaluation_prompt_hashes=set(),
    )  # fmt: skip
    assert [case.record for case in fresh.evaluation] == [judging.content_hash]
    assert not used(fresh) & {each.content_hash for each in variants}


TASKS = [
    ("Shorten", "Give a title for", "Translate"),
    ("Kürze", "Nenne einen Titel für", "Übersetze"),
    ("Résume", "Donne un titre pour", "Traduis"),
]


@pytest.mark.parametrize("tasks", TASKS)
def test_a_frozen_source_is_in_training_under_no_other_task(tasks: Sequence[str]) -> None:
    records = [
        record(f"{task} the note of {town} about {order}", f"{task} {town}", 10 * place + day, source_id=f"note {town}")
        for place, task in enumerate(tasks)
        for day, (town, order) in enumerate(zip(TOWNS[:6], ORDERS[:6], strict=True))
    ]
    sets = divided(records)
    judging = {case.source_id for case in sets.evaluation}
    assert judging
    assert not judging & {each.source_id for each in sets.train + sets.validation}
    mixed = divided(records, settings=replace(SETTINGS, sources=Sources.MIXED))
    assert {case.source_id for case in mixed.evaluation} & {each.source_id for each in mixed.train + mixed.validation}


def test_one_source_for_all_is_no_source() -> None:
    sets = divided([replace(each, source_id="our newspaper") for each in others()])
    assert (len(sets.evaluation), len(sets.train) + len(sets.validation)) == (2, 8)
    assert sets.shared_sources == ["our newspaper"]


def test_all_that_an_evaluated_source_gives_later_is_left_out_and_counted() -> None:
    """Before, a twentieth of the examples was."""
    records = [*others(), record("Who rang the bell of Kelby?", "The cook", 20, source_id="Kelby")]
    later = [
        record(f"{town}: what did {order} cost?", "3", 30 + day, source_id="Kelby")
        for day, (town, order) in enumerate(zip(TOWNS[:3], ORDERS[:3], strict=True))
    ]
    sets = divided(records, later)
    assert sets.same_source == 3
    assert not used(sets) & {each.content_hash for each in later}


def test_near_duplicates_of_a_set_that_is_no_longer_in_force_are_held_out() -> None:
    """Also where its prompts are in no record, as those of somebody's own test set."""
    first = divided([*others(), record("Name the tallest tower of the old town", "The water tower", 20)])
    like = record("name the tallest tower of the old town!", "Which one?", 30)
    fresh = [
        record(f"{town} sells {order}", "Yes", 40 + day)
        for day, (town, order) in enumerate(zip(TOWNS, ORDERS, strict=True))
    ]
    fresh.append(record("Where is the key of the granary?", "Under the mat", 60))
    second = divided(fresh)
    examples = resolve([*fresh, *others(), like]).examples
    sets = split(examples, SETTINGS, frozen=second.evaluation, evaluation_prompt_hashes=set(), earlier=first.evaluation)
    assert like.content_hash not in used(sets)


def test_cases_that_an_earlier_release_named_are_held_out_by_what_they_ask() -> None:
    """Their ids are hashes of prompts without regard to case and white space, and stay what they were."""
    named = [EvaluationCase("an old hash", each.messages, "A", each.content_hash) for each in others()[:2]]
    examples = resolve([*others(), *(record(f"Who paints {town}?", "Kim", 30) for town in TOWNS)]).examples
    sets = split(examples, SETTINGS, frozen=named, evaluation_prompt_hashes={"an old hash"})
    assert sets.evaluation == named
    assert sets.held_out == 2
    assert not used(sets) & {case.record for case in named}


def test_a_pair_of_an_evaluated_source_is_not_learned() -> None:
    records = [*others(), record("Who rang the bell of Kelby?", "The cook", 20, source_id="Kelby")]
    sets = divided(records)
    pair = replace(record("What did the bell of Kelby say?", "Ding", 30, source_id="Kelby"), output="Dong")
    kept = replace(record("What did the horn of Ilmen say?", "Toot", 30, source_id="Ilmen"), output="Honk")
    trained, validated = split_pairs(resolve([pair, kept]).pairs, sets, set(), SETTINGS)
    assert [each.record for each in trained + validated] == [kept.content_hash]


# Who judges


def given_by(origin: str, count: int, first_day: int) -> list[Example]:
    made = [record(f"{origin}: parcel {number} for {TOWNS[number % 10]}", "Done", first_day) for number in range(count)]
    return [replace(each, origin=origin) for each in resolve(made).examples]


def test_a_flood_from_one_origin_fills_half_of_a_set_at_most() -> None:
    examples = [*given_by("desk", 60, 0), *given_by("shop", 3000, 100)]
    sets = split(examples, SETTINGS, frozen=(), evaluation_prompt_hashes=set())
    by_shop = sum(case.origin == "shop" for case in sets.evaluation)
    assert 0 < by_shop <= len(sets.evaluation) / 2
    assert len(sets.evaluation) == 60


def test_a_flood_fills_half_at_most_where_the_others_cannot_all_be_asked() -> None:
    examples = [*given_by("desk", 60, 0), *given_by("shop", 3000, 100)]
    sets = split(
        examples, SETTINGS, frozen=(), evaluation_prompt_hashes=set(),
        unaskable=lambda each: "too long" * (each.origin == "desk" and "Corvale" not in each.messages[0].content),
    )  # fmt: skip
    assert [case.origin for case in sets.evaluation].count("shop") <= len(sets.evaluation) / 2


def test_a_flood_changes_nothing_about_a_set_that_is_frozen() -> None:
    first = split(given_by("desk", 60, 0), SETTINGS, frozen=(), evaluation_prompt_hashes=set())
    flood = given_by("shop", 1000, 36_500)
    again = split([*given_by("desk", 60, 0), *flood], SETTINGS, frozen=first.evaluation, evaluation_prompt_hashes=set())
    assert again.evaluation == first.evaluation


def test_one_origin_alone_fills_the_set() -> None:
    sets = split(given_by("desk", 60, 0), SETTINGS, frozen=(), evaluation_prompt_hashes=set())
    assert len(sets.evaluation) == 12
