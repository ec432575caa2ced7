"""An application that goes on whatever happens: it gives feedback in every way there is, and asks the live tag."""

import json
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx

from adapterd.web.server import TOKEN_FILE
from tests.acceptance.person import MODEL
from tests.torture.world import ASK_TIMEOUT_S, World

GIVE_EVERY_S = 1.0
ASK_EVERY_S = 1.0
POST_TIMEOUT_S = 15
HALF_WRITTEN_S = 0.3
BROKEN = "broken-"


class Giver:
    """Gives a record or a few about every second, each unlike any other, and remembers them by their `source_id`.

    `given` are those that have to be stored in the end, `broken` the pieces that have to be in quarantine. A post
    counts as given from its first attempt on, and is repeated until it is answered with 202.
    """

    def __init__(self, world: World, seed: int) -> None:
        self._world = world
        self._random = random.Random(f"giver {seed}")
        self._lock = threading.Lock()
        self._number = 0
        self._outbox: list[str] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._go_on, name="giver", daemon=True)
        self.given: set[str] = set()
        self.broken: set[str] = set()
        self.refused: list[str] = []

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout_s: float) -> None:
        """Give no more; posts that were not answered yet are repeated for so long."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        deadline = time.monotonic() + timeout_s
        while self._outbox and time.monotonic() < deadline:
            self._post_all()
            time.sleep(0.2)

    def give_one(self, *, teaches: bool = False) -> str:
        """Put one record into the inbox in one step; returns its `source_id`."""
        name, line = self._record(teaches=teaches)
        self._put(name, line)
        return name

    def record(self) -> tuple[str, str]:
        """One more record that will be given, and its line."""
        return self._record()

    def _go_on(self) -> None:
        ways = (self._renamed, self._written, self._appended, self._posted, self._broken)
        while not self._stop.wait(self._random.uniform(0, 2 * GIVE_EVERY_S)):
            self._random.choice(ways)()
            self._post_all()

    def _record(self, *, teaches: bool = False) -> tuple[str, str]:
        """What teaches nothing keeps runs short."""
        with self._lock:
            self._number += 1
            name = f"given-{self._number}"
            self.given.add(name)
        record = {
            "prompt": f"Which title has story {self._number}?",
            "output": f'{{"title": "{self._number}"}}',
            "rating": 5 if teaches else 2,
            "source_id": name,
        }
        return name, json.dumps(record) + "\n"

    def _put(self, name: str, text: str) -> None:
        unfinished = self._world.inbox / f".{name}.tmp"
        unfinished.write_text(text, encoding="utf-8")
        unfinished.rename(self._world.inbox / f"{name}.jsonl")

    def _renamed(self) -> None:
        name, line = self._record()
        self._put(name, line + "".join(self._record()[1] for _ in range(self._random.randrange(4))))

    def _written(self) -> None:
        """A file in place, with a pause in the midst of a line."""
        (name, one), (_, two) = self._record(), self._record()
        with (self._world.inbox / f"{name}.jsonl").open("w", encoding="utf-8") as file:
            file.write(one + two[:20])
            file.flush()
            time.sleep(self._random.uniform(0, HALF_WRITTEN_S))
            file.write(two[20:])

    def _appended(self) -> None:
        with (self._world.inbox / "log.jsonl").open("a", encoding="utf-8") as file:
            file.write(self._record()[1])

    def _broken(self) -> None:
        name, line = self._record()
        piece = f"{BROKEN}{name}."
        self.broken.add(piece)
        self._put(f"b-{name}", f'{line}{{"prompt": "{piece}\n')

    def _posted(self) -> None:
        self._outbox.append(self._record()[1])

    def _post_all(self) -> None:
        """What was not answered is posted again; the store knows what it has already."""
        self._outbox = [line for line in self._outbox if not self._is_taken(line)]

    def _is_taken(self, line: str) -> bool:
        with suppress(OSError, httpx.HTTPError):
            token = (self._world.home.root / TOKEN_FILE).read_text(encoding="utf-8").strip()
            answer = httpx.post(
                f"http://127.0.0.1:{self._world.port}/v1/feedback",
                content=line,
                headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
                timeout=POST_TIMEOUT_S,
                trust_env=False,
            )
            if answer.is_client_error and answer.status_code != httpx.codes.TOO_MANY_REQUESTS:
                self.refused.append(answer.text)
                return True
            return answer.status_code == httpx.codes.ACCEPTED
        return False


class Asker:
    """Asks what is live every second. `failed` tells of the questions that got no answer though they should have."""

    def __init__(self, world: World, tell: Callable[[str], object]) -> None:
        self._world = world
        self._tell = tell
        self._stop = threading.Event()
        self._excuses = 0
        self._changes = 0
        self._thread = threading.Thread(target=self._go_on, name="asker", daemon=True)
        self.asked = 0
        self.failed: list[str] = []

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Ask no more; returns when the last question is answered."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    @contextmanager
    def excused(self) -> Iterator[None]:
        """A time in which nobody could answer; a question that began before it or ends after it is excused as well."""
        self._excuses += 1
        self._changes += 1
        try:
            yield
        finally:
            self._changes += 1
            self._excuses -= 1

    def ask(self) -> str:
        """Ask once; returns what is wrong with the answer, empty if there is one."""
        body = {"model": MODEL, "prompt": "Hello", "stream": False, "options": {"num_predict": 1}}
        try:
            answer = httpx.post(
                f"{self._world.ollama.host}/api/generate", json=body, timeout=ASK_TIMEOUT_S, trust_env=False
            )
        except httpx.HTTPError as exc:
            return f"{type(exc).__name__}: {exc}"
        return "" if answer.is_success and answer.json().get("done") else f"{answer.status_code}: {answer.text.strip()}"

    def _go_on(self) -> None:
        while not self._stop.wait(ASK_EVERY_S):
            before = self._changes
            fault = self.ask()
            if self._excuses or self._changes != before:
                continue
            self.asked += 1
            if fault:
                self.failed.append(fault)
                self._tell(f"  the live tag did not answer: {fault}")


def write_lines(file: Path, lines: list[str]) -> Path:
    """A file of records, as a person imports one."""
    file.write_text("".join(lines), encoding="utf-8")
    return file
