"""The places of text in files of the home: runs, versions, caches, logs, and what was left unfinished."""

import json
from bisect import bisect_left
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from adapterd.deployment.config_file import DRAFT_PREFIX, DRAFT_SUFFIX
from adapterd.errors import InputError
from adapterd.evaluation.answers import ASKED
from adapterd.formats.evaluation import ANSWERS
from adapterd.formats.hidden_states import records_in
from adapterd.formats.run_folder import DATASET, GIVEN, PLAN, RECORDS, RESULTS, SYNTHETIC
from adapterd.housekeeping import leftovers
from adapterd.housekeeping.leftovers import UNFINISHED
from adapterd.removal.removed import Removed, Scene
from adapterd.removal.rescoring import recompute
from adapterd.system.files import write_atomic

REPORT = "report.html"


def runs(scene: Scene, change: bool) -> Iterator[str]:
    """Folders of runs: plans, snapshots of records, encoded sets with their token ids, results and logs."""
    for run in leftovers.runs(scene.store, scene.home):
        if run.model != scene.model:
            continue
        folder = scene.home.run(run.id)
        going = [] if run.state.open else [folder / name for name in (RECORDS, SYNTHETIC, DATASET, GIVEN)]
        yield from _removed(scene, [path for path in going if path.exists()], change)
        for name in (PLAN, RESULTS):
            yield from _cleaned_json(scene, folder / name, change)
        for log in sorted(folder.glob("*.log")):
            yield from _cleaned_lines(scene, log, change)


def version_folders(scene: Scene, change: bool) -> Iterator[str]:
    """Folders of versions: lineage, evaluation, kept answers and reports. What was measured is computed again from the
    answers that are left."""
    models = scene.home.root / "models" / scene.model
    for folder in sorted(path for path in models.glob("*") if path.is_dir()):
        reduced = False
        for answers in sorted((folder / ANSWERS).glob("*.jsonl")):
            for found in _cleaned_answers(scene, answers, change):
                reduced = True
                yield found
        if change and reduced:
            recompute(scene, folder)
        for name in sorted(folder.glob("*.json")):
            yield from _cleaned_json(scene, name, change)
        report = folder / REPORT
        if report.is_file() and (reduced or scene.removed.texts.are_in(_html_text(report))):
            yield from _removed(scene, [report], change)


def answers(scene: Scene, change: bool) -> Iterator[str]:
    """Cached answers: those to prompts that go, those with a text that goes, and with a record those of earlier
    releases, of which it cannot be told what was asked."""
    going = [path for path in scene.home.answers.glob("*.json") if _is_answer_that_goes(scene, path)]
    if going:
        yield f"{len(going)} cached answers"
        if change:
            leftovers.remove(going)


def hidden_states(scene: Scene, change: bool) -> Iterator[str]:
    """Cached hidden states of the examples of records that go, and with a record those of earlier releases, of which it
    cannot be told whose they are."""
    going = []
    for path in scene.home.states.glob("*/*.safetensors"):
        records = records_in(path)
        if records & scene.removed.hashes if records is not None else scene.removed.asked:
            going.append(path)
    if going:
        yield f"hidden states of {len(going)} examples"
        if change:
            leftovers.remove(going)


def logs(scene: Scene, change: bool) -> Iterator[str]:
    """Logs of the daemon and of faults. They should hold no text; a library may have quoted some."""
    for log in sorted(scene.home.logs.glob("*")):
        if log.is_file():
            yield from _cleaned_lines(scene, log, change)


def unfinished(scene: Scene, change: bool) -> Iterator[str]:
    """What dead processes did not finish, and drafts of the configuration that hold a text that goes."""
    partial = [path for path in scene.home.root.rglob(UNFINISHED) if path.is_file()]
    if not scene.inbox.is_relative_to(scene.home.root) and scene.inbox.is_dir():
        partial += [path for path in scene.inbox.glob(UNFINISHED) if path.is_file()]
    drafts = scene.home.root.glob(f"{DRAFT_PREFIX}*{DRAFT_SUFFIX}")
    going = [path for path in (*partial, *drafts) if scene.removed.has_text(path.read_bytes())]
    yield from _removed(scene, going, change)


def _is_answer_that_goes(scene: Scene, path: Path) -> bool:
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        return kept[ASKED] in scene.removed.asked or scene.removed.texts.are_in(kept["text"])
    except (OSError, ValueError, LookupError, TypeError):
        return bool(scene.removed.asked) or not path.exists() or scene.removed.has_text(path.read_bytes())


def _removed(scene: Scene, paths: list[Path], change: bool) -> Iterator[str]:
    for path in paths:
        yield str(path.relative_to(scene.home.root) if path.is_relative_to(scene.home.root) else path)
    if change:
        leftovers.remove(paths)


def _cleaned_json(scene: Scene, path: Path, change: bool) -> Iterator[str]:
    """Clean a file of one JSON value; one that cannot be read is removed if it holds a text that goes."""
    if not path.is_file():
        return
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        if scene.removed.has_text(path.read_bytes()):
            yield from _removed(scene, [path], change)
        return
    cleaned = scene.cleaned(value)
    if cleaned != value:
        yield str(path.relative_to(scene.home.root))
        if change:
            write_atomic(path, json.dumps(cleaned, indent=2, ensure_ascii=False))


def _cleaned_lines(scene: Scene, path: Path, change: bool) -> Iterator[str]:
    """Cut lines with a text that goes out of a log. Its writer may have it open, so that it is written in its place."""
    raw = path.read_bytes()
    if not scene.removed.has_text(raw):
        return
    left = _lines_without(scene.removed, raw.splitlines(keepends=True))
    yield str(path.relative_to(scene.home.root))
    if change:
        with path.open("r+b") as file:
            file.write(b"".join(left))
            file.truncate()


def _lines_without(removed: Removed, lines: list[bytes]) -> list[bytes]:
    """The lines that have no text that goes, alone or several together: a text of several lines stands in as many."""
    left = [line for line in lines if not removed.has_text(line)]
    while removed.has_text(b"".join(left)):
        kept, start = list[bytes](), 0
        while (end := _end_of_text(removed, left, start)) is not None:
            first = bisect_left(range(end), True, start, end - 1, key=partial(_is_without, removed, left, end))
            kept += left[start:first]
            start = end
        left = [*kept, *left[start:]]  # what stands together only now may be a text as well
    return left


def _end_of_text(removed: Removed, lines: list[bytes], start: int) -> int | None:
    """Behind which line from `start` on a text that goes has ended for the first time, None if there is none."""

    def has_ended(end: int) -> bool:
        return removed.has_text(b"".join(lines[start:end]))

    size = 1
    while not has_ended(start + size):
        if start + size >= len(lines):
            return None
        size *= 2
    return bisect_left(range(len(lines) + 1), True, start + size // 2, min(start + size, len(lines)), key=has_ended)


def _is_without(removed: Removed, lines: list[bytes], end: int, first: int) -> bool:
    """Whether the lines behind the first one do not have the text any more that ends before `end`."""
    return not removed.has_text(b"".join(lines[first + 1 : end]))


def _cleaned_answers(scene: Scene, path: Path, change: bool) -> Iterator[str]:
    """Cut answers to cases that go out of a file of kept answers, and texts that go out of the others."""
    lines = path.read_text(encoding="utf-8").split("\n")
    left = [cleaned for line in lines if line and (cleaned := _cleaned_answer(scene, line))]
    if left == [line for line in lines if line]:
        return
    yield str(path.relative_to(scene.home.root))
    if change:
        write_atomic(path, "".join(f"{line}\n" for line in left))


def _cleaned_answer(scene: Scene, line: str) -> str | None:
    """The line of a case that stays; None for one that goes, or that cannot be read and holds a text that goes."""
    try:
        case: dict[str, Any] = json.loads(line)
        if scene.removed.has_case(case):
            return None
        cleaned = {**case, "answers": scene.removed.texts.without_value(case["answers"])}
    except (ValueError, LookupError, TypeError, InputError):
        return None if scene.removed.has_text(line.encode()) else line
    return line if cleaned == case else json.dumps(cleaned, ensure_ascii=False)


def _html_text(report: Path) -> str:
    import html

    return html.unescape(report.read_text(encoding="utf-8", errors="replace"))
