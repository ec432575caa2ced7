"""All tables of one database, under one roof."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from adapterd.store.database import Database, utc_now
from adapterd.store.evaluation_sets import EvaluationSets
from adapterd.store.events import Events
from adapterd.store.feedback import Feedback
from adapterd.store.runs import Runs
from adapterd.store.schedule_state import ScheduleStates
from adapterd.store.versions import Versions


class Store(Database):
    """All state. Open one per thread; every write that belongs together goes into one `transaction`."""

    def __init__(self, path: Path, *, clock: Callable[[], datetime] = utc_now) -> None:
        super().__init__(path, clock=clock)
        self.schedule_state = ScheduleStates(self)
        self.feedback = Feedback(self)
        self.evaluation_sets = EvaluationSets(self)
        self.runs = Runs(self)
        self.versions = Versions(self)
        self.events = Events(self)
