"""The newsroom's news must be learnable (extractive, unambiguous), and its feedback must add up exactly."""

import json
import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from adapterd.demo import newsroom_words as words
from adapterd.demo.newsroom import (
    BREAKS,
    DUPLICATES,
    FAULTS,
    INSTRUCTION,
    NewsItem,
    WrittenFeedback,
    items,
    schema,
    write_feedback,
)

START = datetime(2025, 3, 1, 9, 30, tzinfo=UTC)
MANY = items(2000, seed=11)
TAGS = {"format_error", "missed_entity", "wrong_entity", "style_mismatch", "truncation"}


def text_of(item: NewsItem) -> str:
    return item.prompt.split("\n")[1]


def facts_of(item: NewsItem) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads(item.answer)
    return facts


class TestItems:
    def test_a_seed_always_gives_the_same_news(self) -> None:
        assert items(50, seed=3) == items(50, seed=3)

    def test_a_longer_list_begins_with_the_shorter_one(self) -> None:
        assert items(80, seed=3)[:50] == items(50, seed=3)

    @given(st.integers(-1000, 1000), st.integers(-1000, 1000))
    @example(7, -7)
    def test_different_seeds_share_no_prompt(self, one: int, other: int) -> None:
        shared = {item.prompt for item in items(15, one)} & {item.prompt for item in items(15, other)}

        assert bool(shared) == (one == other)

    def test_prompts_and_source_ids_are_distinct(self) -> None:
        assert len({item.prompt for item in MANY}) == len({item.source_id for item in MANY}) == 2000

    def test_the_prompt_is_the_instruction_and_one_line_of_text(self) -> None:
        for item in MANY:
            first, text = item.prompt.split("\n")
            assert first == INSTRUCTION
            assert 15 <= len(text.split()) <= 50

    def test_every_value_stands_word_for_word_in_the_text(self) -> None:
        for item in MANY:
            facts = facts_of(item)
            for value in (*facts["companies"], facts["city"], str(facts["amount"])):
                assert len(re.findall(rf"(?<!\w){re.escape(value)}(?!\w)", text_of(item))) == 1, (value, item)

    def test_companies_are_in_the_order_of_their_mention(self) -> None:
        for item in MANY:
            one, two = facts_of(item)["companies"]
            assert text_of(item).index(one) < text_of(item).index(two)

    def test_nothing_else_in_the_text_could_be_taken_for_a_value(self) -> None:
        names = re.compile(rf"\b({'|'.join((*words.FIRST_PARTS, *words.SECOND_PARTS, *words.CITIES))})\b")
        for item in MANY:
            facts, rest = facts_of(item), text_of(item)
            for value in (*facts["companies"], facts["city"], str(facts["amount"])):
                rest = rest.replace(value, "", 1)
            assert not names.search(rest), rest
            assert all(2015 <= int(number) <= 2023 for number in re.findall(r"\d+", rest)), rest

    def test_sentences_are_whole(self) -> None:
        for item in MANY:
            assert re.fullmatch(r"[A-ZÀ-Ž“].*[.”]", text_of(item))
            assert not re.search(r"[{}]|  |\b[Aa] [AEIOUaeiou]", text_of(item)), text_of(item)

    def test_the_answer_fits_the_schema(self) -> None:
        checker = jsonschema.Draft202012Validator(schema())

        assert all(checker.is_valid(facts_of(item)) for item in MANY)

    def test_the_answer_is_one_line_with_its_keys_in_the_order_of_the_prompt(self) -> None:
        for item in MANY:
            assert item.answer == json.dumps(facts_of(item), ensure_ascii=False)
            assert list(facts_of(item)) == ["type", "companies", "city", "amount"]

    def test_all_types_are_about_as_frequent(self) -> None:
        counts = Counter(facts_of(item)["type"] for item in MANY)

        assert set(counts) == set(words.TEMPLATES)
        assert min(counts.values()) > 2000 / 6 * 0.75

    def test_amounts_span_their_range(self) -> None:
        amounts = {facts_of(item)["amount"] for item in MANY}

        assert 2 <= min(amounts) < 20
        assert 970 < max(amounts) <= 990


class TestWords:
    def test_there_are_enough_of_them_not_to_be_memorised(self) -> None:
        assert len(set(words.FIRST_PARTS)) == len(words.FIRST_PARTS) >= 60
        assert len(set(words.SECOND_PARTS)) == len(words.SECOND_PARTS) >= 30
        assert len(set(words.CITIES)) == len(words.CITIES) >= 40
        assert all(len(set(sentences)) >= 6 for sentences in words.TEMPLATES.values())

    @pytest.mark.parametrize("sentence", [one for group in words.TEMPLATES.values() for one in group])
    def test_a_sentence_names_each_value_once_and_the_first_company_first(self, sentence: str) -> None:
        slots = re.findall(r"{(\w+)}", sentence)

        assert all(slots.count(slot) == 1 for slot in ("one", "two", "city", "amount"))
        assert slots.index("one") < slots.index("two")
        assert not re.search(r"\b[Aa]n? [{$]+(one|two|city|amount)", sentence)

    @pytest.mark.parametrize("kind", words.TEMPLATES)
    def test_each_type_varies_which_value_comes_first(self, kind: str) -> None:
        openings = {re.findall(r"{(\w+)}", sentence)[0].lower() for sentence in words.TEMPLATES[kind]}

        assert len(openings) >= 3


GOOD = {"type": "legal", "companies": ["Alder Foods", "Kite Rail"], "city": "Oslo", "amount": 12}


class TestSchema:
    @pytest.mark.parametrize(
        "fault",
        [
            {"type": "gossip"},
            {"companies": ["Alder Foods"]},
            {"companies": ["Alder Foods", "Alder Foods"]},
            {"companies": ["Alder Foods", ""]},
            {"city": ""},
            {"amount": "12"},
            {"amount": -1},
            {"mood": "good"},
        ],
    )
    def test_a_wrong_value_is_refused(self, fault: dict[str, Any]) -> None:
        checker = jsonschema.Draft202012Validator(schema())

        assert checker.is_valid(GOOD)
        assert not checker.is_valid({**GOOD, **fault})

    @pytest.mark.parametrize("key", GOOD)
    def test_a_missing_key_is_refused(self, key: str) -> None:
        rest = {name: value for name, value in GOOD.items() if name != key}

        assert not jsonschema.Draft202012Validator(schema()).is_valid(rest)

    def test_schema_is_a_valid_json_schema(self) -> None:
        jsonschema.Draft202012Validator.check_schema(schema())


def lines_in(file: Path) -> list[bytes]:
    """The non-blank lines of a file, or the elements of its array."""
    if file.suffix == ".json":
        return [json.dumps(element).encode() for element in json.loads(file.read_bytes())]
    return [line for line in file.read_bytes().split(b"\n") if line.strip()]


def fault_in(line: bytes) -> str | None:
    """What is wrong with a native line, judged independently of how it was broken."""
    try:
        record = json.loads(line.decode())
    except UnicodeDecodeError:
        return "encoding"
    except json.JSONDecodeError:
        return "json"
    if record["rating"] not in range(1, 6):
        return "rating"
    if not record.get("prompt") and not record.get("messages"):
        return "prompt"
    return None if TAGS.issuperset(record["failure_tags"]) else "tag"


def prompt_in(record: dict[str, Any]) -> str:
    if "prompt" in record:
        return str(record["prompt"])
    [message] = record["messages"]
    assert message["role"] == "user"
    return str(message["content"])


@pytest.fixture(scope="module")
def inbox(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("inbox")


@pytest.fixture(scope="module")
def written(inbox: Path) -> WrittenFeedback:
    return write_feedback(inbox, seed=5, count=400, start=START)


@pytest.fixture(scope="module")
def native(written: WrittenFeedback) -> list[bytes]:
    """All lines of the files of the native format."""
    files = [file for file in written.files if re.search(r"\d{4}-\d\d-\d\d\.jsonl$", file.name)]
    return [line for file in files for line in lines_in(file)]


@pytest.fixture(scope="module")
def rated(native: list[bytes]) -> list[dict[str, Any]]:
    """The distinct sound records of the native files."""
    return [json.loads(line) for line in dict.fromkeys(native) if fault_in(line) is None]


def only(written: WrittenFeedback, name: str) -> list[dict[str, Any]]:
    [file] = [file for file in written.files if file.name.endswith(name)]
    return [json.loads(line) for line in lines_in(file)]


class TestFeedback:
    def test_the_parts_add_up(self, inbox: Path, written: WrittenFeedback) -> None:
        assert sorted(written.files) == sorted(inbox.iterdir())
        assert written.lines == sum(len(lines_in(file)) for file in written.files)
        assert written.records == 400
        assert (written.duplicates, written.broken) == (DUPLICATES, len(BREAKS)) == (4, 5)

    def test_duplicates_are_exact(self, native: list[bytes]) -> None:
        repeated = [count for count in Counter(native).values() if count > 1]

        assert repeated == [2] * DUPLICATES

    def test_one_line_is_broken_in_each_way(self, native: list[bytes]) -> None:
        faults = Counter(fault_in(line) for line in native)
        del faults[None]

        assert faults == {"json": 1, "rating": 1, "prompt": 1, "tag": 1, "encoding": 1}

    def test_a_broken_line_holds_no_prompt_of_a_sound_one(self, native: list[bytes]) -> None:
        prompts = [item.prompt for item in items(400, 5)]

        for line in native:
            if fault_in(line) == "rating":
                assert prompt_in(json.loads(line)) not in prompts

    def test_prompts_are_the_items_of_the_seed(self, rated: list[dict[str, Any]], written: WrittenFeedback) -> None:
        asked = [prompt_in(record) for record in rated]
        asked += [record["messages"][0]["content"] for record in only(written, "chat.jsonl")]
        asked += [record["instruction"] for record in only(written, "alpaca.json")]
        asked += [record["conversations"][0]["value"] for record in only(written, "sharegpt.jsonl")]

        assert sorted(asked) == sorted(item.prompt for item in items(400, 5))

    def test_the_shares_are_those_of_a_real_week(self, rated: list[dict[str, Any]]) -> None:
        corrected = [record for record in rated if "correction" in record]
        good = [record for record in rated if record["rating"] >= 4]

        assert (len(corrected), len(good), len(rated)) == (220, 100, 352)
        assert not [record for record in good if record in corrected]

    def test_corrections_and_good_outputs_are_the_right_answers(self, rated: list[dict[str, Any]]) -> None:
        answers = {item.prompt: item.answer for item in items(400, 5)}
        for record in rated:
            right = answers[prompt_in(record)]
            assert (record["output"] == right) == (record["rating"] >= 4)
            assert record.get("correction", right) == right

    def test_source_ids_are_those_of_the_items(self, rated: list[dict[str, Any]]) -> None:
        ids = {item.prompt: item.source_id for item in items(400, 5)}

        assert all(record["source_id"] == ids[prompt_in(record)] for record in rated)

    def test_prompts_come_as_text_and_as_messages(self, rated: list[dict[str, Any]]) -> None:
        assert {("prompt" in record, "messages" in record) for record in rated} == {(True, False), (False, True)}

    def test_records_spread_over_five_days_and_stand_in_the_file_of_their_day(self, written: WrittenFeedback) -> None:
        times = []
        for file in written.files:
            if not re.search(r"\d\.jsonl$", file.name):
                continue
            sound = [json.loads(line) for line in lines_in(file) if fault_in(line) is None]
            days = [record["created_at"][:10] for record in sound]
            assert Counter(days).most_common(1)[0][0] in file.name
            times += [datetime.fromisoformat(record["created_at"]) for record in sound]
        assert START <= min(times) < START + timedelta(hours=6)
        assert START + timedelta(days=4, hours=18) < max(times) <= START + timedelta(days=5)

    def test_demonstrations_are_dealt_to_three_formats(self, written: WrittenFeedback) -> None:
        chat, alpaca, sharegpt = (only(written, name) for name in ("chat.jsonl", "alpaca.json", "sharegpt.jsonl"))

        assert (len(chat), len(alpaca), len(sharegpt)) == (16, 16, 16)
        assert [turn["role"] for turn in chat[0]["messages"]] == ["user", "assistant"]
        assert (set(alpaca[0]), alpaca[0]["input"]) == ({"instruction", "input", "output"}, "")
        assert [turn["from"] for turn in sharegpt[0]["conversations"]] == ["human", "gpt"]

    def test_demonstrations_show_the_right_answers(self, written: WrittenFeedback) -> None:
        answers = {item.prompt: item.answer for item in items(400, 5)}

        for record in only(written, "chat.jsonl"):
            assert record["messages"][1]["content"] == answers[record["messages"][0]["content"]]
        for record in only(written, "alpaca.json"):
            assert record["output"] == answers[record["instruction"]]
        for record in only(written, "sharegpt.jsonl"):
            assert record["conversations"][1]["value"] == answers[record["conversations"][0]["value"]]

    def test_files_carry_the_time_of_the_batch(self, written: WrittenFeedback) -> None:
        assert {file.stat().st_mtime for file in written.files} == {START.timestamp()}

    def test_the_same_seed_writes_the_same_bytes(self, tmp_path: Path, written: WrittenFeedback) -> None:
        again = write_feedback(tmp_path / "new" / "inbox", seed=5, count=400, start=START)

        assert [file.read_bytes() for file in again.files] == [file.read_bytes() for file in written.files]

    def test_a_second_batch_stands_beside_the_first_and_shares_nothing_with_it(self, tmp_path: Path) -> None:
        first = write_feedback(tmp_path, seed=1, count=60, start=START)
        second = write_feedback(tmp_path, seed=2, count=60, start=START + timedelta(days=2))

        assert sorted(tmp_path.iterdir()) == sorted(first.files + second.files)
        seen = {line for file in first.files for line in lines_in(file)}
        assert not seen & {line for file in second.files for line in lines_in(file)}

    @pytest.mark.parametrize("count", [0, 1, 3, 10])
    def test_a_small_batch_adds_up_too(self, tmp_path: Path, count: int) -> None:
        written = write_feedback(tmp_path, seed=4, count=count, start=START)

        assert written.records == count
        assert written.lines == sum(len(lines_in(file)) for file in written.files)


@pytest.fixture(scope="module")
def wrong(rated: list[dict[str, Any]]) -> list[tuple[str, str, dict[str, Any]]]:
    """Tag, wrong output and right facts of every record with a fault."""
    facts = {item.prompt: facts_of(item) for item in items(400, 5)}
    return [(r["failure_tags"][0], r["output"], facts[prompt_in(r)]) for r in rated if r["failure_tags"]]


def tag_of(output: str, facts: dict[str, Any]) -> str | None:
    right = json.dumps(facts, ensure_ascii=False)
    if output.startswith("```json\n") and json.loads(output.strip("`").removeprefix("json")) == facts:
        return "style_mismatch"
    if right.startswith(output):
        return "truncation" if output != right else None
    try:
        said = json.loads(output)
    except json.JSONDecodeError:
        return "format_error"
    if len(said["companies"]) == 1:
        return "missed_entity" if said["companies"][0] in facts["companies"] else None
    return "wrong_entity" if said["city"] != facts["city"] or said["companies"] != facts["companies"] else None


class TestFaults:
    def test_every_kind_occurs(self, wrong: list[tuple[str, str, dict[str, Any]]]) -> None:
        assert {tag for tag, _, _ in wrong} == set(FAULTS) == TAGS

    def test_each_output_is_wrong_as_its_tag_says(self, wrong: list[tuple[str, str, dict[str, Any]]]) -> None:
        for tag, output, facts in wrong:
            assert tag_of(output, facts) == tag, output
