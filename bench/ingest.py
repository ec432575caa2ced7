"""How quickly feedback is taken in: `python -m bench.ingest [--records N --files N --shapes NAME …]` prints it as JSON.

The records are the newsroom's, a hundred to a file. The intake is done by a child, whose memory and
processor time are its own; where files are read by one more process (`adapterd.intake.reading_apart`), that one's
time is added, and its memory told apart. Seconds are on the wall, from the first look at the inbox to the last commit.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from adapterd.demo.newsroom import NewsItem, items
from adapterd.home import Home
from adapterd.intake.ingest import ingest
from adapterd.store import Store

ROOT = Path(__file__).parent.parent
MODEL = "bench"


def ingest_rate(records: int = 100_000, files: int = 1_000, *, shapes: Sequence[str] = ("native",)) -> dict[str, Any]:
    """Records per second of so many new records in so many files, seconds of processor time, and peak memory of the
    process that stores and of the one that reads (0 where that is the same).

    The inbox is filled by a child, too, else its memory would count.
    """
    with tempfile.TemporaryDirectory() as folder:
        counts = ["--records", str(records), "--files", str(files), "--shapes", *shapes]
        _child(*counts, "--fill", folder)
        measured = json.loads(_child("--measure", folder))
    if measured.pop("accepted") != records:
        raise RuntimeError(f"of {records} records not all were accepted")
    return {"records": records, "files": files, **measured}


def _child(*arguments: str) -> str:
    command = [sys.executable, "-m", "bench.ingest", *arguments]
    return subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout


def fill(inbox: Path, records: int, files: int, shapes: Sequence[str] = ("native",)) -> None:
    """Fill a new folder with so many JSON Lines files of distinct records, of about the same size, each file in one of
    the shapes."""
    inbox.mkdir()
    made = items(records, seed=5)
    for number in range(files):
        shape = SHAPES[shapes[number % len(shapes)]]
        lines = [json.dumps(shape(item)) + "\n" for item in made[number::files]]
        inbox.joinpath(f"{number:05}.jsonl").write_text("".join(lines), encoding="utf-8")


def _native(item: NewsItem) -> dict[str, Any]:
    return {
        "prompt": item.prompt,
        "output": item.answer[: len(item.answer) // 2],
        "rating": 2,
        "failure_tags": ["truncation"],
        "correction": item.answer,
        "source_id": item.source_id,
        "created_at": "2026-03-01T08:00:00+00:00",
    }


def _chat(item: NewsItem) -> dict[str, Any]:
    said = [{"role": "user", "content": item.prompt}, {"role": "assistant", "content": item.answer}]
    return {"messages": said, "source_id": item.source_id}


def _alpaca(item: NewsItem) -> dict[str, Any]:
    return {"instruction": item.prompt, "input": "", "output": item.answer, "id": item.source_id}


def _sharegpt(item: NewsItem) -> dict[str, Any]:
    return {"conversations": [{"from": "human", "value": item.prompt}, {"from": "gpt", "value": item.answer}]}


def _preference(item: NewsItem) -> dict[str, Any]:
    return {"prompt": item.prompt, "chosen": item.answer, "rejected": item.answer[: len(item.answer) // 2]}


SHAPES: Mapping[str, Callable[[NewsItem], dict[str, Any]]] = {
    "native": _native, "chat": _chat, "alpaca": _alpaca, "sharegpt": _sharegpt, "preference": _preference,
}  # fmt: skip
"""The formats in which records are written, one to a file."""


def measure(folder: Path) -> dict[str, Any]:
    """Take in the inbox within the folder, into a new home beside it."""
    home = Home(folder / "home")
    home.create()
    with Store(home.database) as store:
        began, spent = time.perf_counter(), _cpu_s()
        report = ingest(store, home, MODEL, folder / "inbox", settle_s=0.0)
        seconds, cpu_s = time.perf_counter() - began, _cpu_s() - spent
    return {
        "accepted": report.accepted,
        "records_per_s": round(report.accepted / seconds),
        "cpu_s": round(cpu_s, 2),
        "rss_mb": round(peak_rss_bytes() / 1e6, 1),
        "reader_rss_mb": round(_reader_rss_bytes() / 1e6, 1),
    }


def peak_rss_bytes() -> int:
    """Of this program alone: on Linux, getrusage counts what ran in the process before `exec`, too."""
    if sys.platform == "darwin":
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:")) * 1024


def _reader_rss_bytes() -> int:
    """Of the children that have ended, the largest; on Linux no less than this process had when it started them."""
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _cpu_s() -> float:
    """Of this process and of the children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def main() -> None:
    """Measure and print, or do the work of a child."""
    parser = argparse.ArgumentParser(prog="python -m bench.ingest", description=__doc__)
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--files", type=int, default=1_000)
    parser.add_argument("--shapes", nargs="+", choices=list(SHAPES), default=["native"], help="formats of the files")
    parser.add_argument("--fill", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.fill:
        fill(given.fill / "inbox", given.records, given.files, given.shapes)
    else:
        measured = measure(given.measure) if given.measure else _rate(given)
        print(json.dumps(measured))


def _rate(given: argparse.Namespace) -> dict[str, Any]:
    return ingest_rate(given.records, given.files, shapes=given.shapes)


if __name__ == "__main__":
    main()
