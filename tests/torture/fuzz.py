"""Feedback as nobody should give it: thousands of files that are taken in, and of posts to a real daemon.

Of files, every piece has to be accounted for: it is stored, was known already, or is in quarantine with its bytes. Of
posts, the answer has to be true.
"""

import argparse
import re
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode, openapi
from schemathesis.openapi.checks import RejectedPositiveData

from adapterd.home import Home
from adapterd.store import Store
from adapterd.web.server import TOKEN_FILE
from tests.acceptance.person import MODEL, Person
from tests.support.odd_files import odd_files
from tests.support.web_bodies import bodies
from tests.torture.account import Inbox
from tests.torture.alone import alone
from tests.torture.ready import take_posts, tiny
from tests.torture.report import say

AT_ONCE = 250
"""So many examples are drawn in a row, and so many files lie in one inbox."""
ANSWERS = (202, 400, 404, 413, 422)
FIGURES = ("files", "bodies", "crashes", "lost", "http_500", "pieces", "stored", "described", "not_as_described")


def add_options(parser: argparse.ArgumentParser) -> None:
    """How many."""
    parser.add_argument("--fuzz-files", type=int, default=10_000, help="feedback files that are taken in")
    parser.add_argument("--fuzz-bodies", type=int, default=10_000, help="bodies that are posted")
    parser.add_argument(
        "--fuzz-described", type=int, default=1_000, help="requests made of the interface's description"
    )


def run(options: argparse.Namespace) -> dict[str, Any]:
    """How many there were; `crashes` are faults that nobody had thought of, `lost` is what has no true account."""
    found: Counter[str] = Counter()
    with ExitStack() as ends:
        folder = options.keep or Path(ends.enter_context(tempfile.TemporaryDirectory(prefix="torture-")))
        for number, count in enumerate(_in_parts(options.fuzz_files)):
            with Inbox(folder / f"files-{number}") as inbox:
                _each(odd_files(), count, f"{options.seed} {number}", inbox.put)
                found += inbox.take()
        try:
            _fuzz_posts(folder, options, found)
        except AssertionError as exc:  # the daemon did not start, or told of a fault
            found["crashes"] += 1
            say(f"fuzz: {exc}")
    return {name: found[name] for name in FIGURES}


def _in_parts(count: int) -> Iterator[int]:
    for done in range(0, count, AT_ONCE):
        yield min(AT_ONCE, count - done)


def _each(strategy: st.SearchStrategy[Any], count: int, sort: str, use: Callable[[Any], object]) -> None:
    """Call `use`, which must not raise, with so many examples; they are the same for the same `sort`."""

    @seed(sort)
    @settings(
        max_examples=count, deadline=None, database=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(strategy)
    def go(value: Any) -> None:
        use(value)

    go()


def _fuzz_posts(folder: Path, options: argparse.Namespace, found: Counter[str]) -> None:
    person = Person(Home(folder / "home"))
    said = person.run("init", MODEL, "--base", tiny(folder, "base"), "--runtime", "embedded")
    if said.code:
        raise RuntimeError(said.stderr)
    take_posts(person)
    with person.daemon() as daemon:
        port = re.search(r"feedback over HTTP at port (\d+)", daemon.said)
        assert port, daemon.said
        token = (person.home.root / TOKEN_FILE).read_text(encoding="utf-8").strip()
        where = Where(f"http://127.0.0.1:{port[1]}", {"Authorization": f"Bearer {token}"}, person.home.database)
        _post_bodies(where, options, found)
        _call_as_described(where, options, found)


@dataclass(frozen=True)
class Where:
    """The daemon that is posted to, what lets one in there, and where it stores."""

    address: str
    token: dict[str, str]
    database: Path


def _post_bodies(where: Where, options: argparse.Namespace, found: Counter[str]) -> None:
    headers = {**where.token, "Content-Type": "application/json"}
    with (
        httpx.Client(base_url=where.address, headers=headers, timeout=60, trust_env=False) as client,
        Store(where.database) as store,
    ):
        for number, count in enumerate(_in_parts(options.fuzz_bodies)):
            _each(bodies(), count, f"{options.seed} {number}", lambda body: found.update(_post(client, store, body)))


def _call_as_described(where: Where, options: argparse.Namespace, found: Counter[str]) -> None:
    post = openapi.from_url(f"{where.address}/openapi.json")["/v1/feedback"]["POST"]
    for sort in GenerationMode:
        cases = post.as_strategy(generation_mode=sort)
        for number, count in enumerate(_in_parts(options.fuzz_described // len(GenerationMode))):
            _each(cases, count, f"{options.seed} {number}", lambda case: found.update(_call(case, where.token)))


def _post(client: httpx.Client, store: Store, body: bytes) -> dict[str, int]:
    """What came of a post: what the answer says has to be in the store, no more and no less."""
    before = store.feedback.last_id(MODEL)
    try:
        answer = client.post("/v1/feedback", content=body)
        said = answer.json()
    except (httpx.HTTPError, ValueError) as exc:
        say(f"fuzz: {body[:200]!r}: {exc!r}")
        return {"bodies": 1, "crashes": 1}
    untold = store.feedback.count(MODEL, after_id=before) - said.get("accepted", 0)
    missing = sum(not _is_stored(store, content_hash) for content_hash in said.get("ids", []))
    if untold or missing or answer.status_code not in ANSWERS:
        say(f"fuzz: {body[:200]!r}: {answer.status_code} {answer.text[:200]}, {untold} untold, {missing} missing")
    return {
        "bodies": 1,
        "stored": said.get("accepted", 0),
        "lost": abs(untold) + missing,
        "http_500": answer.is_server_error,
        "crashes": answer.status_code not in ANSWERS and not answer.is_server_error,
    }


def _is_stored(store: Store, content_hash: str) -> bool:
    found = store.row("SELECT 1 FROM feedback WHERE model = ? AND content_hash = ?", (MODEL, content_hash))
    return found is not None


def _call(case: "Case[Any]", token: dict[str, str]) -> dict[str, int]:
    """What came of a request that was made of the description, and whether the answer keeps to it."""
    try:
        answer = case.call(headers=token)
    except OSError as exc:
        say(f"fuzz: {case.body!r:.200}: {exc!r}")
        return {"described": 1, "crashes": 1}
    try:
        try:
            case.validate_response(answer)
        except* RejectedPositiveData:  # a description cannot say all that makes a record
            pass
    except BaseExceptionGroup as exc:
        say(f"fuzz: {exc}: {exc.exceptions}")
        return {"described": 1, "not_as_described": 1, "http_500": answer.status_code >= 500}
    return {"described": 1, "http_500": answer.status_code >= 500}


if __name__ == "__main__":
    alone(add_options, run)
