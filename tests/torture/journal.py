"""What the record says while the product is tormented, and whether the tags in the runtime agree with it."""

import threading
from contextlib import suppress
from datetime import datetime

from adapterd.errors import BusyError
from adapterd.serving.tags import ModelTags
from adapterd.store import Store
from adapterd.store.runs import Run, RunState, StageState
from adapterd.store.versions import VersionState
from adapterd.system.locks import tags_lock
from tests.acceptance.person import MODEL
from tests.torture.world import World

TAGS = ModelTags(MODEL)


class Journal:
    """Reads the store of a world; every thread has a connection of its own."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._local = threading.local()

    @property
    def store(self) -> Store:
        """The calling thread's."""
        if not hasattr(self._local, "store"):
            self._local.store = Store(self._world.home.database)
        store: Store = self._local.store
        return store

    def has(self, source_id: str) -> bool:
        """Whether that record is stored."""
        return self.store.row("SELECT 1 FROM feedback WHERE source_id = ?", (source_id,)) is not None

    def stored(self) -> set[str]:
        """The `source_id` of every record."""
        return {row["source_id"] for row in self.store.rows("SELECT source_id FROM feedback")}

    def in_quarantine(self, piece: str) -> bool:
        """Whether a piece with this text was noted, and its bytes are kept."""
        noted = [each.kept for each in self.store.feedback.quarantined(MODEL) if piece in each.excerpt]
        return any(piece.encode() in (self._world.home.quarantine / kept).read_bytes() for kept in noted)

    def cycles(self) -> int:
        """How many runs came to a verdict."""
        row = self.store.row("SELECT count(*) FROM runs WHERE state IN (?, ?)", (RunState.PROMOTED, RunState.HELD))
        return int(row[0]) if row else 0

    def unfinished(self) -> Run | None:
        """The run that is not over, whether somebody works on it or not."""
        run = self.store.runs.latest(MODEL)
        return run if run and run.state.open else None

    def is_wanted(self) -> bool:
        """Whether a run goes on, waits to go on, or was asked for."""
        return self.unfinished() is not None or bool(self.store.runs.waiting_requests())

    def waits_until(self) -> datetime | None:
        """When a run that failed is tried again."""
        run = self.unfinished()
        return run.retry_at if run else None

    def is_at(self, stage: str) -> bool:
        """Whether that stage of the unfinished run has begun and is not over."""
        run = self.unfinished()
        rows = self.store.runs.stages(run.id) if run else []
        return any(row.name == stage and row.state is StageState.RUNNING for row in rows)

    def share(self, stage: str) -> float:
        """How much of that stage of the unfinished run is done."""
        run = self.unfinished()
        rows = self.store.runs.stages(run.id) if run else []
        return next((float((row.progress or {}).get("share", 0)) for row in rows if row.name == stage), 0.0)

    def is_changing(self) -> bool:
        """Whether a change of tags was begun and is not finished."""
        return bool(self.store.versions.begun_intents(MODEL))

    def versions(self) -> list[str]:
        """Those whose tags have to be there, the latest last; the base is none of them."""
        return [each.version for each in self.store.versions.all(MODEL) if each.state is not VersionState.COLLECTED]

    def disagreement(self) -> str:
        """What is half done: a sentence if `latest` or `previous` is not what the record says, empty if all is well.

        While a change of tags is begun and nobody carries it out (its command was killed), `latest` may be either.
        """
        with suppress(BusyError), tags_lock(self._world.home):
            return self._disagreement()
        return ""

    def _disagreement(self) -> str:
        tags, recorded = self._world.runtime.tags(), self.store.versions.deployment(MODEL)
        if recorded is None:
            return "nothing is recorded as live"
        begun = self.store.versions.begun_intents(MODEL)
        allowed = {recorded.live_digest, *(tags.get(TAGS.version(each.target)) for each in begun)}
        if tags.get(TAGS.live) not in allowed - {None}:
            return f"{TAGS.live} is {tags.get(TAGS.live)}, and {recorded.live} ({recorded.live_digest}) is recorded"
        if not begun and tags.get(TAGS.previous) != recorded.previous_digest:
            return f"{TAGS.previous} is {tags.get(TAGS.previous)}, and {recorded.previous_digest} is recorded"
        version = self.store.versions.get(MODEL, recorded.live)
        if not begun and version and version.state is not VersionState.PROMOTED:
            return f"{recorded.live} is live, and is recorded as {version.state}: {version.reason}"
        return ""

    def missing_versions(self) -> list[str]:
        """Versions that should be there, and whose tags are not."""
        tags = self._world.runtime.tags()
        return [version for version in self.versions() if TAGS.version(version) not in tags]
