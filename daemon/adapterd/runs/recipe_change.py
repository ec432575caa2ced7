"""A changed recipe: what a training does otherwise, where the settings leave it open, because a version was held."""

from dataclasses import dataclass, replace
from enum import StrEnum

from adapterd.config import ModelSettings


class Fault(StrEnum):
    """What a version was held for."""

    FORGETTING = "forgetting"
    RUN_ON = "answers that run on"
    NO_GAIN = "too little gain"


@dataclass(frozen=True)
class RecipeChange:
    """The recipe of a run after the version `held`, the number `tries` in a row of changed recipes.

    Where one of `epochs`, `learning_rate` and `replay` is None, or the settings say it themselves, theirs holds.
    `faults` are what the version was held for; empty once all tries are used up.
    """

    held: str
    tries: int
    faults: list[Fault]
    epochs: int | None = None
    learning_rate: float | None = None
    replay: float | None = None

    def applied(self, settings: ModelSettings) -> ModelSettings:
        """The settings with this recipe."""
        training = replace(
            settings.training,
            epochs=settings.training.epochs or self.epochs,
            learning_rate=settings.training.learning_rate or self.learning_rate,
        )
        dataset = settings.dataset
        if self.replay is not None and dataset.replay:
            dataset = replace(dataset, replay=self.replay)
        return replace(settings, training=training, dataset=dataset)
