"""How long the runtime has been idle, as far as can be seen from outside.

Ollama does not say when it was asked last. It says until when it keeps each model in memory, and that moves on when a
request ends; so a model whose time moved between two calls was used between them. While a long request goes on that
time stands still, and where models are not kept (OLLAMA_KEEP_ALIVE=0) there is none between two requests. So the
processor time of the server and of its runners is looked at as well: one that answers spends it, one that waits does
not. A machine that has slept counts as used when it woke up: somebody has opened the lid.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from adapterd.serving.runtime import Runtime
from adapterd.system.host.server_time import Spent
from adapterd.system.host.sleep import asleep_s

USED_SHARE = 0.005
"""The share of a core from which on a server is in use; what asks it how it is costs a tenth of that."""
USED_S = 0.05
"""What may be spent beside, however short the time between two calls."""
LONGEST_S = 60.0
"""After a longer time than this it is not an average that counts: a request of a minute is a use."""
SLEPT_S = 5.0


@dataclass
class Activity:
    """What earlier calls found; a model that is loaded at the first call counts as used just then.

    `spent` is the processor time that the runtime has used up to now, None where that is not known; `asleep_s` how
    long the machine has slept.
    """

    spent: Callable[[], Spent | None] = lambda: None
    asleep_s: Callable[[], float] = asleep_s
    _kept_until: dict[str, str] = field(default_factory=dict)
    _spent: tuple[datetime, Spent] | None = None
    _used_at: datetime | None = None
    _asleep_s: float = field(init=False)

    def __post_init__(self) -> None:
        self._asleep_s = self.asleep_s()

    def note_sleep(self, now: datetime) -> None:
        """Look whether the machine has slept since this was asked last; to be called whenever the daemon looks."""
        asleep_s = self.asleep_s()
        if asleep_s - self._asleep_s >= SLEPT_S:
            self._used_at = now
        self._asleep_s = asleep_s

    def idle_s(self, runtime: Runtime, now: datetime) -> float:
        """Seconds since the runtime was used, infinite if it never was; raises RuntimeUnavailableError."""
        self.note_sleep(now)
        loaded = runtime.loaded()
        was_used = any(self._kept_until.get(tag) != until for tag, until in loaded.items())
        was_busy = self._was_busy(now)
        if was_used or was_busy or (self._used_at is not None and self._used_at > now):  # or the clock was set back
            self._used_at = now
        self._kept_until = loaded
        return float("inf") if self._used_at is None else (now - self._used_at).total_seconds()

    def _was_busy(self, now: datetime) -> bool:
        """Whether the runtime spent more processor time since the last call than waiting costs."""
        before, spent = self._spent, self.spent()
        self._spent = None if spent is None else (now, spent)
        if before is None or spent is None:
            return False
        passed_s = min(max(0.0, (now - before[0]).total_seconds()), LONGEST_S)
        return spent.since(before[1]) > USED_S + USED_SHARE * passed_s
