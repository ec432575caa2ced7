"""Cases of a frozen set that another version was asked are no first exam, by whatever name the set goes today."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from adapterd.config import ModelSettings, Settings
from adapterd.evidence.decision import Judged, Night
from adapterd.home import Home
from adapterd.runs.season.fresh_answers import FreshAnswers
from adapterd.store import Store
from adapterd.store.evidence.comparisons import Purpose
from adapterd.store.versions import VersionState

MODEL = "m"
SETTINGS = Settings(models={MODEL: ModelSettings(base="tiny:1", base_digest="b")})
CASES: list[dict[str, Any]] = [
    {"id": f"case{n}", "messages": [{"role": "user", "content": f"{n}?"}], "reference": "!", "record": f"r{n}"}
    for n in range(12)
]


@dataclass(frozen=True)
class Exam:
    """A model whose base is live."""

    store: Store
    home: Home

    def waits(self, version: str, frozen: str) -> None:
        """A version that was asked a frozen set."""
        self.store.versions.add(MODEL, version, run_id="r", digest=f"d-{version}", base_digest="b")
        metrics = {"evaluation_hash": frozen}
        self.store.versions.set_state(MODEL, version, VersionState.WAITING, "not proven", metrics)

    def asked_in(self, version: str, frozen: str, cases: Sequence[dict[str, Any]]) -> int:
        """How many cases of the set are evidence for this version, which was a little better in all of them."""
        self.waits(version, frozen)
        differences = {str(case["id"]): {"token_f1": 0.1} for case in cases}
        judged = Judged(version, frozen, differences)
        FreshAnswers(
            self.store, self.home, Night(self.home.root, SETTINGS, MODEL, self.store.clock(), (), judged)
        ).decided()
        found = self.store.comparisons.open(MODEL, Purpose.CHALLENGE)
        looks = self.store.comparisons.looks(found.id) if found else []
        return sum(len(look.cases) for look in looks)


@pytest.fixture
def exam(store: Store, home: Home) -> Exam:
    store.versions.deploy(MODEL, "init", live="base", live_digest="b")
    return Exam(store, home)


def test_a_set_that_nobody_was_asked_is_one(exam: Exam) -> None:
    exam.store.evaluation_sets.freeze(MODEL, "set", CASES)
    assert exam.asked_in("1.0.0", "set", CASES) == 12


def test_of_a_set_that_grew_only_new_cases_are(exam: Exam) -> None:
    exam.store.evaluation_sets.freeze(MODEL, "small", CASES[:5])
    exam.waits("1.0.0", "small")
    exam.store.evaluation_sets.freeze(MODEL, "grown", CASES, grown=True)
    assert exam.asked_in("1.1.0", "grown", CASES) == 7


def test_a_set_from_which_cases_were_taken_back_since_is_none(exam: Exam) -> None:
    exam.store.evaluation_sets.freeze(MODEL, "whole", CASES)
    exam.waits("1.0.0", "whole")
    exam.store.evaluation_sets.reduce(MODEL, 1, "reduced", CASES[:9])
    assert exam.asked_in("1.1.0", "reduced", CASES[:9]) == 0
