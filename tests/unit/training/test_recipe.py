"""Learning rate and epochs where the configuration leaves them open."""

from dataclasses import replace
from pathlib import Path

import pytest

from adapterd.base.gguf.gguf_file import GgufFile
from adapterd.config import Preferences, TrainingSettings
from adapterd.training.recipe import ENOUGH, EXPONENTS, Recipe, suitable_rate
from tests.support.tiny_gguf import write_tiny_gguf

OPEN = TrainingSettings(batch_size=4)


def base(folder: Path, architecture: str = "llama", width: int = 64) -> GgufFile:
    return GgufFile.open(
        write_tiny_gguf(folder / f"{architecture}-{width}.gguf", architecture=architecture, hidden=width)
    )


def test_the_settings_override_the_recipe(tmp_path: Path) -> None:
    said = TrainingSettings(rank=3, epochs=7, learning_rate=0.5, beta=0.7)
    recipe = Recipe.of(said, base(tmp_path), 10_000)
    assert vars(recipe) == vars(said) | {"enough": ENOUGH}
    assert Recipe.of(recipe, base(tmp_path), 1) == recipe


@pytest.mark.parametrize(
    ("examples", "epochs"), [(0, 8), (1, 8), (40, 8), (100, 8), (133, 6), (200, 4), (400, 3), (10**6, 3)]
)
def test_fewer_examples_have_more_epochs(tmp_path: Path, examples: int, epochs: int) -> None:
    assert Recipe.of(OPEN, base(tmp_path), examples).epochs == epochs


def test_wider_models_learn_at_lower_rates(tmp_path: Path) -> None:
    for architecture in EXPONENTS:
        narrow, wide = (suitable_rate(base(tmp_path, architecture, width)) for width in (64, 128))
        assert wide < narrow


def test_an_unmeasured_family_has_the_lowest_learning_rate(tmp_path: Path) -> None:
    assert suitable_rate(base(tmp_path, "gemma3")) == min(suitable_rate(base(tmp_path, name)) for name in EXPONENTS)


def test_preferences_have_a_lower_learning_rate(tmp_path: Path) -> None:
    pairs = Recipe.of(replace(OPEN, preferences=Preferences.DPO), base(tmp_path), 10)
    assert pairs.learning_rate == pytest.approx(Recipe.of(OPEN, base(tmp_path), 10).learning_rate / 2, rel=0.1)
