"""What the pages of 50,000 captures and 50,000 records take: `python -m bench.page [--records N]`.

Each page is asked for by a browser that was let in, and its time is what that tells of it, from the request to the last
byte: everything that the page's process does for it. In the same pages, light and dark, axe looks for what keeps people
out, and the browser tells what it has to complain about, and whom else it asked.
"""

import argparse
import random
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from adapterd.capture.captures import Capture, Captures
from adapterd.capture.passthrough.capture_id import new_id
from adapterd.capture.recording import SAMPLE, answer_hash
from adapterd.chat import Message, Role
from adapterd.home import Home
from adapterd.intake.http_intake import take_posted
from adapterd.page.running import start, stop
from adapterd.record import prompt_hash
from adapterd.store import Store
from adapterd.store.versions import VersionState
from bench import capture, results

MODEL = "newsbrief"
CONFIG = f"""
[models.{MODEL}]
base = "smollm2:135m"
base_digest = "sha256:00"
task = "json"
[ollama]
host = "http://127.0.0.1:9"
[page]
port = 0
"""
PATHS = (
    "/", f"/review/{MODEL}", f"/choice/{MODEL}", f"/versions/{MODEL}",
    f"/versions/{MODEL}/1.0.0", f"/rubrics/{MODEL}", f"/synthetic/{MODEL}", f"/compare/{MODEL}",
    f"/feedback/{MODEL}", f"/feedback/{MODEL}?text=bridge",
    f"/feedback/{MODEL}?text=nowhere", f"/feedback/{MODEL}/100", f"/feedback/{MODEL}/quarantine", "/settings", "/log",
)  # fmt: skip
TIMES = 5
AT_ONCE = 500
TOOK = "() => { const all = performance.getEntriesByType('navigation')[0]; return all.responseEnd - all.requestStart; }"
ANSWER = Capture(
    id="", at=0.0, dialect="ollama-chat", model=f"{MODEL}:latest", digest=None, template_hash=None, prompt_hash="",
    answer_hash="", turns=(), answer="", thoughts="", calls=(), options={}, tools=(), schema=None, reason="stop",
    complete=True, error=None, prompt_tokens=90, answer_tokens=12, logprob=None, logprob_tokens=0, first_byte_s=0.1,
    seconds=0.4, faults=(), kept=SAMPLE, repeats=0, bytes=500,
)  # fmt: skip


def build(home: Home, records: int) -> None:
    """A home with so many captures and so many records, and two versions."""
    home.create()
    home.config_file.write_text(CONFIG)
    home.config_file.chmod(0o600)
    chance, now = random.Random(1), time.time()
    with Store(home.database) as store:
        for first in range(0, records, AT_ONCE):
            numbers = range(first, min(first + AT_ONCE, records))
            take_posted(store, MODEL, [_record(number, chance) for number in numbers])
        for version in ("1.0.0", "1.1.0"):
            store.versions.add(MODEL, version, run_id="20260101-000000-aaaa", digest=version, base_digest="b")
            store.versions.set_state(MODEL, version, VersionState.HELD, "held: not proven")
    with Captures(home.captures) as captures:
        for number in range(records):
            captures.add(an_answer(number, now - records + number, chance))


def _record(number: int, chance: random.Random) -> dict[str, Any]:
    about = chance.choice(("harbour", "council", "bridge", "school"))
    return {"prompt": f"News {number} of the {about}", "output": "{}", "correction": f'{{"number": {number}}}'}


def an_answer(number: int, at: float, chance: random.Random) -> Capture:
    words = " ".join(chance.choices(("harbour", "council", "bridge", "school", "market", "rain"), k=60))
    prompt, fails = f"Extract item {number}: {words}", chance.random() < 0.2
    answer = f'{"Sure! " if fails else ""}{{"number": {number}}}'
    return replace(
        ANSWER, id=new_id(at), at=at, turns=({"role": "user", "content": prompt},), answer=answer,
        prompt_hash=prompt_hash((Message(Role.USER, prompt),)), answer_hash=answer_hash(answer),
        faults=["json"] if fails else [],
    )  # fmt: skip


def measure(home: Home, records: int) -> dict[str, Any]:
    """The slowest page by the median of its times, and what a browser found."""
    from axe_playwright_python.sync_playwright import Axe
    from tests.support.browser import Seen, a_browser

    took, findings = dict[str, float](), 0
    served = start(home)
    address = f"http://127.0.0.1:{served.port}"
    try:
        with a_browser() as browser:
            page = browser.new_page()
            seen = Seen(page, address)
            page.goto(served.link)
            page.wait_for_url(f"{address}/")
            for path in PATHS:
                times = []
                for _ in range(TIMES):
                    page.goto(address + path)
                    times.append(float(page.evaluate(TOOK)))
                took[path] = round(sorted(times)[TIMES // 2], 1)
                for scheme in ("light", "dark"):
                    page.emulate_media(color_scheme=scheme)
                    findings += len(Axe().run(page).response["violations"])
    finally:
        stop(home)
    slowest = max(took, key=lambda path: took[path])
    return {
        "records": records, "slowest_ms": took[slowest], "slowest": slowest, "ms": took, "axe_findings": findings,
        "console_errors": len(seen.errors), "outside_requests": len(seen.outside),
    }  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and keep what was measured."""
    parser = argparse.ArgumentParser(prog="python -m bench.page", description=__doc__)
    parser.add_argument("--records", type=int, default=50_000, help="captures, and as many records of feedback")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as name:
        home = Home(Path(name) / "home")
        build(home, given.records)
        found = measure(home, given.records)
    print(found)
    results.write({"pages": found}, capture.FILE)


if __name__ == "__main__":
    main()
