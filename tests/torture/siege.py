"""What the scenarios of survival share: everything goes on while faults are made, and after each the product has to
get going by itself."""

import argparse
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from adapterd.errors import StoreError
from adapterd.store.runs import RunState
from tests.acceptance.person import MODEL, write_news
from tests.torture.application import Asker, Giver
from tests.torture.journal import Journal
from tests.torture.report import say
from tests.torture.world import Where, World, world

POLL_S = 0.05
ASK_FOR_A_RUN_EVERY_S = 0.5
LONG_WAIT = timedelta(seconds=20)
"""A person who sees that a failed run waits for longer than this asks for it."""


class StuckError(Exception):
    """Something did not come to pass in time."""


class Siege:
    """A world in which an application gives feedback, asks the live tag, and wants runs; and what became of it."""

    def __init__(self, world: World, options: argparse.Namespace) -> None:
        self.world = world
        self.patience_s: float = options.patience_s
        self.random = random.Random(f"siege {options.seed}")
        self.journal = Journal(world)
        self.giver = Giver(world, options.seed)
        self.asker = Asker(world, say)
        self.cycle_s = 0.0
        self.kills = 0
        self.recoveries_s: list[float] = []
        self.stuck: list[str] = []
        self.half_promoted: list[str] = []
        self._wants_runs = threading.Event()
        self._stopped = threading.Event()
        self._patron = threading.Thread(target=self._ask_for_runs, name="patron", daemon=True)

    def begin(self) -> None:
        """Start everything, and let one cycle pass undisturbed, to know how long it takes."""
        for file in write_news(self.world.folder / "news").files:
            (self.world.inbox / file.name).write_bytes(file.read_bytes())
        self.world.keeper.start()
        self.giver.start()
        self.asker.start()
        self._patron.start()
        self.wait("the first news are stored", lambda: len(self.journal.stored()) >= 20)
        began = time.monotonic()
        self.want_runs(True)
        self.wait("a first run is over", lambda: self.journal.cycles() >= 1)
        self.cycle_s = time.monotonic() - began
        say(f"  a cycle takes {self.cycle_s:.0f} s")

    def wait(
        self, what: str, is_so: Callable[[], object], *, timeout_s: float | None = None, every_s: float = POLL_S
    ) -> float:
        """Wait for something; returns the seconds it took, or raises StuckError."""
        began = time.monotonic()
        while not is_so():
            if time.monotonic() - began > (self.patience_s if timeout_s is None else timeout_s):
                raise StuckError(f"it is still not so that {what}")
            time.sleep(every_s)
        return time.monotonic() - began

    def comes(self, is_so: Callable[[], object], *, within_s: float, every_s: float = POLL_S) -> bool:
        """Whether something comes to pass in that time."""
        try:
            self.wait("it comes", is_so, timeout_s=within_s, every_s=every_s)
        except StuckError:
            return False
        return True

    def recover(self, what: str, since: float, is_so: Callable[[], object] = lambda: True) -> None:
        """Note how long it takes, counted from `since` (monotonic), until a record that is given now is stored and
        `is_so`, and that what is live is as recorded then."""
        self.kills += 1
        name = self.giver.give_one()
        try:
            self.wait(f"a record is stored again after: {what}", lambda: self.journal.has(name))
            self.wait(f"all is well again after: {what}", is_so)
        except StuckError as exc:
            self.note(self.stuck, str(exc))
            return
        took_s = time.monotonic() - since
        self.recoveries_s.append(took_s)
        say(f"  {self.kills} {what}: going on after {took_s:.1f} s")
        self.look()

    def look(self) -> None:
        """Note if tags and record do not agree."""
        if fault := self.journal.disagreement():
            self.note(self.half_promoted, fault)

    def note(self, where: list[str], fault: str) -> None:
        """Count a fault, and tell it."""
        where.append(fault)
        say(f"  FAULT: {fault}")

    def end(self) -> dict[str, Any]:
        """Let everything come to its end, and count."""
        self._ask_for_no_more()
        self.giver.stop(self.patience_s)
        self._settle()
        self.world.keeper.signal(signal.SIGTERM)  # tags and record are made to agree at every start
        self._await_all_records()
        self.look()
        self.asker.stop()
        lost = self.giver.given - self.journal.stored()
        lost |= {piece for piece in self.giver.broken if not self.journal.in_quarantine(piece)}
        self._tell_the_rest(sorted(lost))
        return {
            "kills": self.kills,
            "cycles": self.journal.cycles(),
            "rows_lost": len(lost),
            "stuck": len(self.stuck),
            "half_promoted": len(self.half_promoted),
            "live_failed": len(self.asker.failed),
            "recovery_s_max": round(max(self.recoveries_s, default=0.0), 1),
            "tracebacks": self.world.keeper.tracebacks,
            "records": len(self.giver.given) + len(self.giver.broken),
            "live_asked": self.asker.asked,
        }

    def stop(self) -> None:
        """Have nothing go on here, however it ended."""
        self._ask_for_no_more()
        self.giver.stop(0)
        self.asker.stop()

    def _settle(self) -> None:
        """Wait for the end of what was begun; a run that failed is given the time until it is tried again."""
        while self.journal.is_wanted():
            at = self.journal.waits_until()
            pause_s = max(0.0, (at - datetime.now(UTC)).total_seconds()) if at else 0.0
            if not self.comes(self._moves_on(), within_s=self.patience_s + pause_s):
                run = self.journal.unfinished()
                state = f"{run.id} is {run.state}: {run.error}" if run else "a request waits"
                self.note(self.stuck, f"no end comes: {state}")
                return

    def _moves_on(self) -> Callable[[], bool]:
        """Tells whether anything is other than now."""
        before = self._progress()
        return lambda: not self.journal.is_wanted() or self._progress() != before

    def _progress(self) -> object:
        run = self.journal.unfinished()
        stages = self.journal.store.runs.stages(run.id) if run else []
        return run and (run.id, run.state, run.attempts), [(row.name, row.state) for row in stages]

    def _await_all_records(self) -> None:
        last = self.giver.give_one()
        self.comes(
            lambda: self.journal.has(last) and not self.giver.given - self.journal.stored(), within_s=self.patience_s
        )

    def _tell_the_rest(self, lost: Sequence[str]) -> None:
        """What else somebody should look at."""
        if lost:
            say(f"  FAULT: lost are {', '.join(lost)}")
        for refused in self.giver.refused:
            say(f"  FAULT: a post was refused: {refused}")
        if missing := self.journal.missing_versions():
            say(f"  note: versions without a tag: {', '.join(missing)}")
        said = self.world.person.run("status", "--check")
        say(f"  status says: {said.stdout.strip()}")

    def want_runs(self, wanted: bool) -> None:
        """Whether new runs are asked for; what the schedule says is another thing."""
        (self._wants_runs.set if wanted else self._wants_runs.clear)()

    def _ask_for_no_more(self) -> None:
        self._stopped.set()
        if self._patron.is_alive():
            self._patron.join()

    def _ask_for_runs(self) -> None:
        """A person who always wants a new version, and teaches something for it."""
        while not self._stopped.wait(ASK_FOR_A_RUN_EVERY_S):
            with suppress(StoreError):  # its disk may be full
                if self._wants_runs.is_set() and self._should_ask():
                    self.journal.store.runs.request(MODEL, "asked for by the torture")
                    self.giver.give_one(teaches=True)

    def _should_ask(self) -> bool:
        if self.journal.store.runs.waiting_requests():
            return False
        run = self.journal.unfinished()
        if run is None or run.state is not RunState.FAILED:
            return run is None
        if run.retry_at is None:
            self.note(self.stuck, f"a run failed, and is not tried again: {run.error}")
        return run.retry_at is None or run.retry_at - datetime.now(UTC) > LONG_WAIT


@contextmanager
def siege(options: argparse.Namespace, where: Where = Where()) -> Iterator[Siege]:  # noqa: B008 (frozen)
    """Everything at work, after one undisturbed cycle."""
    with world(options.keep, where) as made:
        begun = Siege(made, options)
        try:
            begun.begin()
            yield begun
        finally:
            begun.stop()
