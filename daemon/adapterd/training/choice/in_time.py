"""Asks adapters only while the hours of the training last: a large base on a slow machine may need hours to answer."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from adapterd.errors import StageError
from adapterd.training.choice.by_answers import AnswerScore, Judge

if TYPE_CHECKING:
    from adapterd.base.gguf.llama_model import GreedyAnswer
    from adapterd.formats.encoded import EncodedExample

ASKING_SHARE = 0.1
"""Of `training.max_hours`, so much is left for this where there is time for a part of the steps only."""


@dataclass(frozen=True)
class InTime:
    """The same judge, until `ends` (seconds of the monotonic clock). An answer that was begun is waited for."""

    judge: Judge
    ends: float

    @classmethod
    def after(cls, seconds: float, max_hours: float, judge: Judge) -> "InTime":
        """For the rest of the hours, of which a training has taken so many seconds."""
        return cls(judge, time.monotonic() + max_hours * 3600 - seconds)

    def __call__(self, adapter: Path) -> AnswerScore:
        """How an adapter answers; raises StageError where the hours are over."""
        self._refuse_late()
        return self.judge(adapter)

    def answers(self, adapter: Path, examples: "Sequence[EncodedExample]") -> "Sequence[GreedyAnswer]":
        """What an adapter answers; raises StageError where the hours are over."""
        self._refuse_late()
        return self.judge.answers(adapter, examples)

    def _refuse_late(self) -> None:
        if time.monotonic() >= self.ends:
            raise StageError("the hours of training.max_hours are over")
