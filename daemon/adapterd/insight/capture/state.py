"""How capture stands: whether applications are answered, what was dropped, what is wrong with its database."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from adapterd.capture.alerts import Alert, alerts
from adapterd.capture.captures import Captures
from adapterd.capture.rates import COUNTED_DAYS, day_of, first_day
from adapterd.capture.set_aside import SET_ASIDE, those_aside
from adapterd.capture.standing import counts_of, listen_address
from adapterd.config import Settings
from adapterd.config.addresses.ollama_host import names_capture
from adapterd.errors import AdapterdError, StoreError
from adapterd.home import Home
from adapterd.system.service import capture_service

GIGABYTE = 1_000_000_000
MUCH_MORE = 2.0
"""A file that is so many times as large as what may be kept in it is worth a word."""


@dataclass(frozen=True)
class CaptureStatus:
    """How capture stands. `listen` is where applications ask (`HOST:PORT`), `is_answering` whether it does there,
    `is_installed` whether its service is to; `requests` and `dropped` are those since its start.

    `records` conversations are kept in a file of `file_bytes`; `fault` says why that cannot be read. `aside` are
    damaged files of before, `alerts` those that are open. `is_named` says that OLLAMA_HOST names capture.
    """

    listen: str = ""
    is_answering: bool = False
    is_installed: bool = False
    is_named: bool = False
    requests: int = 0
    dropped: int = 0
    records: int = 0
    file_bytes: int = 0
    fault: str = ""
    aside: tuple[Path, ...] = ()
    alerts: tuple[Alert, ...] = ()

    @property
    def is_used(self) -> bool:
        """Whether there is anything to tell."""
        return self.is_answering or self.is_installed or self.is_named or self.file_bytes > 0 or bool(self.aside)

    @property
    def faults(self) -> list[tuple[str, str]]:
        """What somebody should look at, a sentence each, and what to do about it."""
        found = []
        if not self.is_answering and (self.is_installed or self.is_named):
            why = "its service is installed" if self.is_installed else "OLLAMA_HOST names it"
            found.append((f"capture does not answer at {self.listen}, though {why}", ON))
        if self.fault:
            found.append((self.fault, SET_ASIDE))
        return found + [(each.text, f"adapterctl capture list --model {each.model}") for each in self.alerts]

    @property
    def notes(self) -> list[tuple[str, str]]:
        """What is not as it should be and needs nobody at once."""
        found = []
        if self.dropped:
            found.append((f"{self.dropped} conversations were dropped since capture started", DROPPED))
        if self.aside:
            names = ", ".join(each.name for each in self.aside)
            found.append((f"captures.db was damaged and is kept aside: {names}", ASIDE))
        return found


ON = "adapterctl capture on; or adapterctl capture off, and OLLAMA_HOST without it"
DROPPED = "they came faster than they could be recorded, or three recorders ended with one; answers were not touched"
ASIDE = "delete it when nothing of it is missed: it has prompts and answers"


def capture_status(home: Home, settings: Settings, clock: Callable[[], float] = time.time) -> CaptureStatus:
    """How capture stands on this home; a database that cannot be read is part of it."""
    listen, file = listen_address(settings), home.captures
    counts = counts_of(listen) or {}
    records, fault, open_ = 0, "", tuple[Alert, ...]()
    if file.exists():
        try:
            with Captures(file) as captures:
                now = clock()
                records = captures.kept().count
                counted = captures.counted(first_day(now, COUNTED_DAYS))
                open_ = tuple(each for each in alerts(counted, day_of(now)) if each.is_open)
        except StoreError as exc:
            fault = str(exc)
    return CaptureStatus(
        listen, bool(counts), not counts and _is_installed(home), names_capture(settings),
        counts.get("requests", 0), counts.get("dropped", 0), records, file.stat().st_size if file.is_file() else 0,
        fault, tuple(those_aside(file)), open_,
    )  # fmt: skip


def capture_checks(home: Home, settings: Settings) -> Iterator[tuple[str, str, str]]:
    """For `doctor`: the level of each check, what was found, and what to do."""
    found = capture_status(home, settings)
    if found.is_answering:
        named = ", and OLLAMA_HOST names it" if found.is_named else ""
        yield "ok", f"answers at {found.listen}{named}; {found.records} conversations are kept", ""
    elif not found.is_installed and not found.is_named:
        yield "ok", "is off", ""
    for said, hint in found.faults:
        yield "fault" if said not in [each.text for each in found.alerts] else "warning", said, hint
    for said, hint in found.notes:
        yield "warning", said, hint
    if found.file_bytes > MUCH_MORE * settings.capture.keep_gb * GIGABYTE:
        yield (
            "warning",
            f"{home.captures.name} takes {found.file_bytes / GIGABYTE:.1f} GB, more than capture.keep_gb",
            "adapterctl capture off, delete it, and adapterctl capture on begin a new one",
        )
    if found.file_bytes and not found.fault:
        with Captures(home.captures) as captures:
            captures.require_sound()


def _is_installed(home: Home) -> bool:
    try:
        return capture_service(home, listen="", upstream="").file.exists()
    except (AdapterdError, OSError):
        return False
