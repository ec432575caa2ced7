"""How quickly feedback is taken back for good, and what of it is left: `python -m bench.feedback_remove [--records N]`.

A home with imported feedback, its encoded sets, a frozen evaluation set, kept and cached answers; one record of a
hundred has a marked text in its prompt, its answers and its notes. The seconds are those of the whole removal.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from adapterd.chat import Answer, Message
from adapterd.config import ModelSettings, Settings
from adapterd.dataset.build import build_dataset
from adapterd.dataset.result import DatasetResult
from adapterd.demo.newsroom import items
from adapterd.evaluation.answers import cached
from adapterd.feedback.inbox import import_file
from adapterd.formats.evaluation import ANSWERS, FROZEN
from adapterd.formats.run_folder import DATASET, RECORDS
from adapterd.home import Home, make_private
from adapterd.intake.ingest import ingest
from adapterd.record import FeedbackRecord
from adapterd.removal.remove import remove as remove_selection
from adapterd.removal.selection import Criteria, select
from adapterd.store import Store
from adapterd.store.runs import RunState

MODEL, RUN, VERSION = "bench", "20260101-000000-0000", "1.0.0"
MARK = "Käthe „Kassandra“ Żak-Łuczak"
FILES = 20
MARKED_EVERY = 100


def remove(records: int = 20_000) -> dict[str, Any]:
    """How many records were removed of how many, in how many files their text is left, and the seconds it took."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        home = Home(folder / "home")
        home.create()
        settings = Settings(models={MODEL: ModelSettings(base="tiny:1", base_digest="sha256:00")})
        with Store(home.database) as store:
            _fill(store, home, folder, records)
            if not files_with(MARK, home.root):
                raise RuntimeError("the marked text is nowhere, so that nothing would be measured")
            began = time.perf_counter()
            selection = select(store, home, MODEL, Criteria(matching=MARK))
            report = remove_selection(store, home, settings, MODEL, selection)
            seconds = time.perf_counter() - began
        left = files_with(MARK, home.root)
    return {
        "records": records,
        "removed": report.records,
        "marked_text_left": len(left),
        "seconds": round(seconds, 2),
    }


def files_with(text: str, folder: Path) -> list[Path]:
    """The files that hold the text, as it is, in UTF-16, or with the escapes of JSON."""
    escaped = json.dumps(text)[1:-1]
    forms = [text.encode(), text.encode("utf-16-le"), escaped.encode(), json.dumps(escaped)[1:-1].encode()]
    found = (path for path in folder.rglob("*") if path.is_file())
    return [path for path in found if any(form in path.read_bytes() for form in forms)]


def _fill(store: Store, home: Home, folder: Path, records: int) -> None:
    """Imported files, and what a run and its evaluation leave of them."""
    inbox = make_private(home.inbox(MODEL))
    lines = list(_lines(records))
    for number in range(FILES):
        file = folder / f"{number:02}.jsonl"
        file.write_bytes(b"".join(lines[number::FILES]))
        import_file(inbox, file)
    ingest(store, home, MODEL, inbox, settle_s=0.0)
    made = _divide(store, home, folder)
    store.runs.start(RUN, MODEL, reason="bench", fingerprint="", last_feedback_id=store.feedback.last_id(MODEL))
    store.runs.start_stage(RUN, "dataset", "key")
    store.runs.finish_stage(RUN, "dataset", result=asdict(made))
    store.evaluation_sets.freeze(MODEL, made.evaluation_hash, made.evaluation_cases)
    store.runs.set_state(RUN, RunState.HELD)
    store.versions.add(MODEL, VERSION, run_id=RUN, digest="d", base_digest="b")
    _answer(home, made)


def _lines(records: int) -> Iterator[bytes]:
    for number, item in enumerate(items(records, seed=5)):
        marked = f" {MARK} was there." if number % MARKED_EVERY == 0 else ""
        record = {
            "prompt": item.prompt + marked,
            "output": item.answer[: len(item.answer) // 2],
            "rating": 2,
            "correction": item.answer + marked,
            "correction_notes": f"Number {number}.{marked}",
            "created_at": f"2026-03-{number % 28 + 1:02}T08:00:00+00:00",
        }
        yield json.dumps(record, ensure_ascii=bool(number % 200)).encode() + b"\n"


def _divide(store: Store, home: Home, folder: Path) -> DatasetResult:
    """The encoded sets of a run, by the tokenizer of a small model."""
    from tests.support.tiny_gguf import write_tiny_gguf

    from adapterd.base.gguf.tokenizer import Tokenizer

    rows = store.feedback.all(MODEL)
    run = make_private(home.run(RUN))
    (run / RECORDS).write_text("".join(f"{row.record}\n" for row in rows), encoding="utf-8")
    return build_dataset(
        (FeedbackRecord.from_json(row.record) for row in rows),
        ModelSettings(base="", base_digest="").dataset,
        frozen=(),
        evaluation_prompt_hashes=frozenset(),
        render=lambda messages: "\n".join(message.content for message in messages) + "\n",
        tokenizer=Tokenizer.open(write_tiny_gguf(folder / "tiny.gguf")),
        out=make_private(run / DATASET),
    )


def _answer(home: Home, made: DatasetResult) -> None:
    """Answers to the frozen set, kept with the version and in the cache."""
    given = Answer("nothing", "stop", 1, 1, 0.1, 0.1)
    ask = cached(lambda _: given, make_private(home.answers), "digest")
    lines = []
    for case in made.evaluation_cases:
        ask([Message(**message) for message in case["messages"]])
        line = {"id": case["id"], "messages": case["messages"], "reference": case["reference"], "source": None}
        lines.append(json.dumps({**line, "answers": {"candidate": vars(given)}}, ensure_ascii=False) + "\n")
    answers = make_private(home.version(MODEL, VERSION) / ANSWERS)
    (answers / FROZEN).write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.feedback_remove", description=__doc__)
    parser.add_argument("--records", type=int, default=20_000)
    print(json.dumps(remove(parser.parse_args().records)))
