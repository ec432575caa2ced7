"""A training that is made to compute blocks twice, as where memory is short, comes to a promoted version."""

from pathlib import Path

import pytest

from adapterd.home import Home
from tests.acceptance.conftest import feed
from tests.acceptance.person import MODEL, Person, settings
from tests.support.real_ollama import OLLAMA
from tests.support.typed import load_weights

LEARNING = (
    "training.gradient_checkpointing=on",
    "training.layers=2",
    "training.epochs=3",
    "training.learning_rate=0.003",
    "dataset.evaluation_max=24",
    "dataset.evaluation_share=0.3",
    "evaluation.num_predict=80",
    "evaluation.num_ctx=2048",
    "evaluation.guard=false",
    "evaluation.consistency_seeds=0",
    "merging.steps=0",
)
RECORDS = 60
MINUTES = 40


@pytest.mark.long
@pytest.mark.parametrize("runtime", [OLLAMA])
def test_smollm2_is_trained_with_gradient_checkpointing_and_promoted(
    tmp_path: Path, smollm2_path: Path, runtime: str, request: pytest.FixtureRequest
) -> None:
    person = Person(Home(tmp_path / "home"), patience_s=MINUTES * 60)
    host = ("--host", request.getfixturevalue("ollama_host"))
    said = person.run("init", MODEL, "--base", smollm2_path, "--task", "json", *host, *settings(*LEARNING))
    assert said.code == 0, said
    feed(person, tmp_path / "application", count=RECORDS)
    said = person.run("retrain")
    assert said.code == 0, said
    [model] = person.json("status")["models"]
    assert (model["live"], model["newest_state"]) == ("1.0.0", "promoted"), said
    shown = person.json("show", "1.0.0")
    assert shown["lineage"]["stages"]["training"]["gradient_checkpointing"] is True
    scores = shown["metrics"]["scores"]
    assert scores["candidate"]["metrics"]["field_f1"] > scores["base"]["metrics"]["field_f1"] + 0.2
    weights = load_weights(person.home.version(MODEL, "1.0.0") / "adapters.safetensors")
    assert len(weights) == 2 * 7 * 2
    assert not [name for name in weights if ".block." in name]
