"""How long the runtime has been idle, as far as can be seen from outside.

Ollama does not say when it was asked last. It says until when it keeps each model in memory, and that moves on with
every request; so a model whose time moved between two calls was used between them.
"""

from dataclasses import dataclass, field
from datetime import datetime

from adapterd.serving.runtime import Runtime


@dataclass
class Activity:
    """What earlier calls found; a model that is loaded at the first call counts as used just then."""

    _kept_until: dict[str, str] = field(default_factory=dict)
    _used_at: datetime | None = None

    def idle_s(self, runtime: Runtime, now: datetime) -> float:
        """Seconds since the runtime was used, infinite if it never was; raises RuntimeUnavailableError."""
        loaded = runtime.loaded()
        was_used = any(self._kept_until.get(tag) != until for tag, until in loaded.items())
        if was_used or (self._used_at is not None and self._used_at > now):  # or the clock was set back
            self._used_at = now
        self._kept_until = loaded
        return float("inf") if self._used_at is None else (now - self._used_at).total_seconds()
