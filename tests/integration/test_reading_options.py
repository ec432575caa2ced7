"""Files are read as the settings and the import say, and again when that has changed."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from adapterd.feedback.formats import ReadingOptions
from adapterd.home import Home
from adapterd.intake import file_intake
from adapterd.intake.ingest import IngestReport, ingest
from adapterd.store import Store

MODEL = "m"
SCORED = ReadingOptions.of({"rating": "score"}, "1..10", [])


class Inbox:
    """An inbox with a store of its own."""

    def __init__(self, root: Path) -> None:
        self.home = Home(root)
        self.home.create()
        self.folder = root / "inbox"
        self.folder.mkdir(parents=True)
        self.store = Store(root / "state.db")

    def put(self, name: str, *records: dict[str, Any]) -> Path:
        path = self.folder / name
        path.write_text("".join(json.dumps({"output": "o", **record}) + "\n" for record in records))
        return path

    def take(self, options: ReadingOptions = ReadingOptions()) -> IngestReport:  # noqa: B008 - it is frozen
        return ingest(self.store, self.home, MODEL, self.folder, options=options, settle_s=0.0)

    def ratings(self) -> list[int | None]:
        return [row.rating for row in self.store.feedback.all(MODEL)]

    def notes(self) -> list[tuple[int, str]]:
        return [(note.line, note.reason) for note in self.store.feedback.quarantined(MODEL)]


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Inbox]:
    box = Inbox(tmp_path)
    yield box
    box.store.close()


def rated(count: int, **last: Any) -> list[dict[str, Any]]:
    return [{"prompt": f"p{number}", "rating": 4} for number in range(count)] + (
        [{"prompt": "q", **last}] if last else []
    )


@pytest.mark.parametrize("batch", [2, 2000])
def test_one_rating_beyond_its_scale_stops_the_whole_file(
    box: Inbox, monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    monkeypatch.setattr(file_intake, "BATCH_PIECES", batch)
    box.put("a.jsonl", *rated(7, rating=9, mood="unknown"))
    report = box.take()
    assert (report.accepted, report.quarantined, box.ratings()) == (0, 1, [])
    ((line, reason),) = box.notes()
    assert line == 8
    assert reason.startswith("nothing of this file was taken: rating is 9, which is beyond 1..5")
    assert box.take().files == 0


@pytest.mark.parametrize("batch", [2, 2000])
@pytest.mark.parametrize("name", ["Rating", "RATING", "score"])
def test_so_does_one_under_another_name(box: Inbox, monkeypatch: pytest.MonkeyPatch, batch: int, name: str) -> None:
    monkeypatch.setattr(file_intake, "BATCH_PIECES", batch)
    box.put("a.jsonl", *rated(7, **{name: 9}))
    box.take(ReadingOptions.of({"rating": "score"}, None, []))
    assert box.ratings() == []


def argilla_row(value: int) -> dict[str, Any]:
    return {"prompt": "q", "response": "a", "quality.responses": [value], "quality.responses.status": ["submitted"]}


def argilla_text(value: int) -> dict[str, Any]:
    said = [{"user_id": "u", "value": value, "status": "submitted"}]
    return {"prompt": "q", "response": "a", "quality": json.dumps(said)}


def tensorzero_row(value: int) -> dict[str, Any]:
    asked = [{"type": "text", "text": "Who met?"}]
    return {
        "input": json.dumps({"messages": [{"role": "user", "content": asked}]}), "episode_id": "e",
        "output": json.dumps([{"type": "text", "text": "The mayor."}]), "metric_name": "user_rating", "value": value,
    }  # fmt: skip


def label_studio_row(value: int) -> dict[str, Any]:
    return {"prompt": "q", "response": "a", "annotation_id": 7, "annotator": 1, "stars": value}


@pytest.mark.parametrize("row", [argilla_row, argilla_text, tensorzero_row, label_studio_row])
def test_so_does_one_in_the_rows_of_a_tool(
    box: Inbox, monkeypatch: pytest.MonkeyPatch, row: Callable[[int], dict[str, Any]]
) -> None:
    monkeypatch.setattr(file_intake, "BATCH_PIECES", 2)
    options = ReadingOptions.of({}, "1..5", [])
    path = box.folder / "a.jsonl"
    path.write_text("".join(json.dumps({**row(value), "id": f"r{n}"}) + "\n" for n, value in enumerate([4] * 7 + [7])))
    report = box.take(options)
    assert (report.accepted, box.ratings()) == (0, [])
    ((line, reason),) = box.notes()
    assert line == 8
    assert reason.startswith("nothing of this file was taken: ")


def test_other_files_are_taken(box: Inbox) -> None:
    box.put("a.jsonl", *rated(2, rating=9))
    box.put("b.jsonl", *rated(2))
    assert box.take().accepted == 2


def test_a_rating_within_an_answer_is_no_rating(box: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_intake, "BATCH_PIECES", 2)
    box.put("a.jsonl", *rated(5), {"prompt": "Stars of the inn?", "output": {"rating": 9}, "rating": 5})
    assert box.take().accepted == 6


@pytest.mark.parametrize(
    ("line", "accepted"),
    [
        ('{"prompt": "half \\ud83d of a pair", "output": "o", "rating": 9}', 0),
        ('{"data": [{"prompt": "in a list", "output": "o", "rating": 9}]}', 0),
        ('{"prompt": "twice", "output": "o", "rating": 4, "rating": 9}', 7),
        ('{"prompt": "a number", "output": "o", "rating": 4.0, "latency_ms": 1.5e3}', 8),
    ],
)
def test_a_line_of_a_long_file_is_judged_by_what_it_says(
    box: Inbox, monkeypatch: pytest.MonkeyPatch, line: str, accepted: int
) -> None:
    monkeypatch.setattr(file_intake, "BATCH_PIECES", 2)
    path = box.put("a.jsonl", *rated(7))
    path.write_text(f"{path.read_text()}{line}\n")
    assert box.take().accepted == accepted


def test_a_file_is_read_again_when_the_scale_is_stated(box: Inbox) -> None:
    box.put("a.jsonl", {"prompt": "p", "rating": 9}, {"prompt": "q", "rating": 2})
    box.take()
    assert box.take(ReadingOptions.of({}, "1..10", [])).accepted == 2
    assert (box.ratings(), box.notes()) == ([4, 1], [])


def test_a_file_is_read_again_when_a_field_is_explained(box: Inbox) -> None:
    box.put("a.jsonl", {"prompt": "p", "score": 9, "mood": 1})
    box.take()
    assert len(box.notes()) == 1
    box.take(SCORED)
    assert len(box.notes()) == 1
    box.take(ReadingOptions.of({"rating": "score"}, "1..10", ["mood"]))
    assert (box.ratings(), box.notes()) == ([4], [])


@pytest.mark.parametrize("begin", ["[", '{"a": '])
def test_a_line_that_is_nested_deeply_beneath_a_declared_field_stops_no_other(box: Inbox, begin: str) -> None:
    end = "]" if begin == "[" else "}"
    deep = f'{{"prompt": "p", "output": "o", "meta": {begin * 400}1{end * 400}}}\n'
    (box.folder / "a.jsonl").write_text(deep)
    box.put("b.jsonl", {"prompt": "q", "meta": {"score": 4}})
    box.take(ReadingOptions.of({"rating": "meta.score"}, None, []))
    assert box.ratings() == [4]
    ((line, reason),) = box.notes()
    assert line == 1
    assert "nested more than" in reason


def test_what_was_said_at_an_import_holds_for_that_file_and_later(box: Inbox) -> None:
    path = box.put("a.jsonl", {"prompt": "p", "score": 9})
    box.put("b.jsonl", {"prompt": "q", "score": 9})
    with box.store.transaction():
        box.store.feedback_reading.give(MODEL, str(path), SCORED.to_json())
    assert box.take().accepted == 1
    box.put("a.jsonl", {"prompt": "p", "score": 9}, {"prompt": "r", "score": 2})
    box.take()
    assert (box.ratings(), len(box.notes())) == ([4, 1], 1)
    assert box.take().files == 0


def test_an_import_goes_before_the_settings(box: Inbox) -> None:
    path = box.put("a.jsonl", {"prompt": "p", "score": 1, "mood": 3})
    given = ReadingOptions.of({}, "0..1", [])
    with box.store.transaction():
        box.store.feedback_reading.give(MODEL, str(path), given.to_json())
    box.take(ReadingOptions.of({"rating": "score"}, "1..10", ["mood"]))
    assert box.ratings() == [5]


def test_a_file_that_an_earlier_release_found_fault_with_is_read_again_when_it_is_explained(box: Inbox) -> None:
    box.put("a.jsonl", {"prompt": "p", "rating": 4}, {"prompt": "q", "mood": 1})
    box.take()
    box.store.execute("DELETE FROM feedback_reading")
    explained = ReadingOptions.of({}, None, ["mood"])
    assert [box.take().files, box.take(explained).files, box.take(explained).files] == [0, 1, 0]


def test_the_report_names_metadata_and_counts_what_nobody_judged(box: Inbox) -> None:
    box.put("a.jsonl", {"prompt": "p", "model": "x", "created_at": "2999-01-01"}, {"prompt": "q", "rating": 4, "id": 3})
    report = box.take()
    assert (report.metadata, report.not_judged, report.clamped) == (("id", "model"), 1, 1)
