"""Whether feedback files of many tools teach what they are stated to teach, no more and no less."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from adapterd.chat import Prompt
from adapterd.dataset.statements import Resolution, resolve
from adapterd.home import Home
from adapterd.intake.ingest import IngestReport, ingest
from adapterd.record import FeedbackRecord
from adapterd.store import Store
from bench.feedback_files import StatedFile, stated_files

MODEL = "formats"


def formats() -> dict[str, int]:
    """How many files and records there are, and how many files are `wrong`; the reasons are printed."""
    files, wrong = stated_files(), 0
    for file in files:
        found = faults_of(file)
        wrong += bool(found)
        for fault in found:
            print(f"{file.name}: {fault}", flush=True)
    return {"files": len(files), "records": sum(file.records for file in files), "wrong": wrong}


def faults_of(file: StatedFile) -> list[str]:
    """What is wrong with what a file teaches, in sentences."""
    with tempfile.TemporaryDirectory() as folder:
        report, resolution = _taken_in(Path(folder), file)
    examples = [(example.messages, (example.completion,)) for example in resolution.examples]
    pairs = [(pair.messages, (pair.chosen, pair.rejected)) for pair in resolution.pairs]
    found = _differences("example", examples, [(parts, (text,)) for parts, text in file.examples])
    found += _differences("pair", pairs, [(parts, (chosen, rejected)) for parts, chosen, rejected in file.pairs])
    if file.refused == 0 and report.quarantined:
        found.append(f"{report.quarantined} of its pieces are refused")
    if file.refused and not report.quarantined:
        found.append("nothing of it is refused")
    return found


def _taken_in(folder: Path, file: StatedFile) -> tuple[IngestReport, Resolution]:
    home, inbox = Home(folder / "home"), folder / "inbox"
    home.create()
    inbox.mkdir()
    (inbox / file.name).write_bytes(file.content)
    with Store(home.database) as store:
        report = ingest(store, home, MODEL, inbox, settle_s=0.0)
        records = [FeedbackRecord.from_json(row.record) for row in store.feedback.all(MODEL)]
    return report, resolve(records)


def _differences(
    kind: str,
    taught: Sequence[tuple[Prompt, tuple[str, ...]]],
    stated: Sequence[tuple[tuple[str, ...], tuple[str, ...]]],
) -> list[str]:
    left, missing = list(taught), []
    for parts, answers in stated:
        fitting = [each for each in left if each[1] == answers and _has(each[0], parts)]
        if fitting:
            left.remove(fitting[0])
        else:
            missing.append(f"the {kind} {answers} is missing")
    return [*missing, *(f"the {kind} {answers} is taught" for _, answers in left)]


def _has(prompt: Prompt, parts: Sequence[str]) -> bool:
    """Whether a prompt has these pieces of text, one after the other."""
    text, place = "\n\n".join(message.content for message in prompt), 0
    for part in parts:
        place = text.find(part, place) + len(part)
        if place < len(part):
            return False
    return True
