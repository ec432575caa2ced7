"""All tables of one database, under one roof."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from adapterd.store.database import Database, utc_now
from adapterd.store.evaluation_sets import EvaluationSets
from adapterd.store.events import Events
from adapterd.store.evidence.comparisons import Comparisons
from adapterd.store.feedback import Feedback
from adapterd.store.feedback_reading import FeedbackReading
from adapterd.store.http_access.places import Places
from adapterd.store.http_access.tokens import Tokens
from adapterd.store.http_access.traffic import Traffic
from adapterd.store.judging.verdicts import JudgeVerdicts
from adapterd.store.prompt_pool.prompts import Prompts
from adapterd.store.reviews.choices import Choices
from adapterd.store.reviews.reviews import Reviews
from adapterd.store.reviews.rubrics import Rubrics
from adapterd.store.rubric_scores import RubricScores
from adapterd.store.runs import Runs
from adapterd.store.schedule_state import ScheduleStates
from adapterd.store.screenings import Screenings
from adapterd.store.taken_back.removals import Removals
from adapterd.store.teaching.teaching import Teaching
from adapterd.store.unreadable import Unreadable
from adapterd.store.versions import Versions


class Store(Database):
    """All state. Open one per thread; every write that belongs together goes into one `transaction`."""

    def __init__(self, path: Path, *, clock: Callable[[], datetime] = utc_now, anew: bool = False) -> None:
        super().__init__(path, clock=clock, anew=anew)
        self.schedule_state = ScheduleStates(self)
        self.feedback = Feedback(self)
        self.feedback_reading = FeedbackReading(self)
        self.screenings = Screenings(self)
        self.prompts = Prompts(self)
        self.evaluation_sets = EvaluationSets(self)
        self.comparisons = Comparisons(self)
        self.rubric_scores = RubricScores(self)
        self.reviews = Reviews(self)
        self.choices = Choices(self)
        self.rubrics = Rubrics(self)
        self.teaching = Teaching(self)
        self.judging = JudgeVerdicts(self)
        self.runs = Runs(self)
        self.versions = Versions(self)
        self.events = Events(self)
        self.removals = Removals(self)
        self.unreadable = Unreadable(self)
        self.http_tokens = Tokens(self)
        self.http_traffic = Traffic(self, self.events)
        self.http_places = Places(self)
