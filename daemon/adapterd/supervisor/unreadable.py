"""What the daemon cannot read of the inboxes: into the store, where `status` and `doctor` find it, and the history.

The terminal may have rights that the daemon has not, so its own look would be of no use.
"""

import logging
from collections.abc import Mapping
from pathlib import Path

from adapterd.store import Store
from adapterd.system.host.rights import REFUSED, code_of, way_to_read

MOST = 20
"""Paths of one inbox that are told of, and no more: of a whole tree the first ones say enough."""

log = logging.getLogger("adapterd")


class UnreadableInboxes:
    """Notes what changes, and says it once."""

    def __init__(self) -> None:
        self._models: set[str] = set()

    def __contains__(self, model: str) -> bool:
        """Whether something of the model's inbox cannot be read."""
        return model in self._models

    def note(self, store: Store, model: str, reasons: Mapping[str, str]) -> None:
        """Keep what cannot be read of the model's inbox at the moment: reasons by path. Those that are about something
        else than the right to read, or the folder as a whole, are left out: they are in quarantine."""
        refused = [(path, why) for path, reason in sorted(reasons.items()) if (why := _why(path, reason))][:MOST]
        (self._models.add if refused else self._models.discard)(model)
        found = [(path, why, way_to_read(Path(path), code_of(why))) for path, why in refused]
        new, gone = store.unreadable.replace(model, found)
        for path, reason, hint in found:
            if path in new:
                _tell(store, model, "feedback.unreadable", f"{path} cannot be read: {reason}", hint)
        for path in gone:
            _tell(store, model, "feedback.readable", f"{path} can be read again")


def _tell(store: Store, model: str, kind: str, sentence: str, hint: str = "") -> None:
    store.events.add(kind, f"{model}: {sentence}", model=model)
    log.warning("%s: %s%s", model, sentence, f" ({hint})" if hint else "", extra={"model": model})


def _why(path: str, reason: str) -> str:
    """What the system said, or what is the matter with the folder as a whole; empty for anything else."""
    code, about_all = code_of(reason), f"the feedback folder {path} "
    if code is not None:
        return REFUSED[code]
    return f"it {reason.removeprefix(about_all)}" if reason.startswith(about_all) else ""
