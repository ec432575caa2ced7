"""Settings changed after a training: what is done again is what depends on them."""

from pathlib import Path

import pytest

from adapterd.formats.adapter_files import own_digest
from adapterd.store.runs import RunState
from tests.acceptance.conftest import begin, feed
from tests.acceptance.person import MODEL, Person, wait_until

EVERYTHING = {"dataset", "training", "merging", "serving", "evaluation"}
QUICK_MERGE = "merging.steps=0"
EVALUATION_ONLY = {"dataset", "serving", "evaluation"}
"""Dividing and registering take no time; they are done again, for the candidate gets a number of its own."""


def worked(person: Person) -> set[str]:
    """The stages of the newest run that a worker did something for."""
    run, _ = person.last_run()
    return {log.stem for log in person.home.run(run.id).glob("*.log")}


def retrained(person: Person) -> str:
    """The version that `retrain --now` makes."""
    said = person.run("retrain", "--now")
    assert said.code == 0, said
    run, _ = person.last_run()
    assert run.state in (RunState.PROMOTED, RunState.HELD)
    assert run.version is not None
    return run.version


def adapter(person: Person, version: str) -> bytes:
    return (person.home.version(MODEL, version) / "adapters.safetensors").read_bytes()


@pytest.fixture
def trained(stranger: Person, tiny_path: Path, tmp_path: Path) -> Person:
    """Somebody who has one version."""
    person = begin(stranger, tiny_path, "--runtime", "embedded", changes=(QUICK_MERGE,))
    feed(person, tmp_path / "application")
    assert retrained(person) == "1.0.0"
    assert worked(person) == EVERYTHING
    return person


def test_settings_of_the_evaluation_changed_after_a_training_only_evaluate_again(trained: Person) -> None:
    first, rows = trained.last_run()
    trained.correct("num_ctx = 4096", "num_ctx = 2048")
    assert retrained(trained) == "1.0.1"
    assert worked(trained) == EVALUATION_ONLY
    assert adapter(trained, "1.0.1") == adapter(trained, "1.0.0")
    assert trained.tags()["1.0.1"] == trained.tags()["1.0.0"]
    second, again = trained.last_run()
    assert second.id != first.id
    assert again["training"].result == rows["training"].result

    config = trained.home.config_file
    config.write_text(f"{config.read_text(encoding='utf-8')}\n[models.{MODEL}.gates.valid_json]\nmin = 0.5\n")
    assert retrained(trained) == "1.0.2"
    assert worked(trained) == EVALUATION_ONLY


def test_the_live_version_is_evaluated_again_with_changed_settings(trained: Person) -> None:
    trained.run("promote", "1.0.0", "--force", "--yes")
    trained.correct("num_ctx = 4096", "num_ctx = 2048")
    said = trained.run("retrain")
    assert said.code == 0, said
    assert worked(trained) == EVALUATION_ONLY
    shown = trained.json("show", "1.0.1")
    assert (shown["state"], shown["lineage"]["stages"]["training"]["adapter_digest"]) == (
        "held",
        own_digest(trained.home.version(MODEL, "1.0.0")),
    )
    assert shown["reason"].startswith("held: it is the same file as 1.0.0, which is live")
    assert "left no trace" not in shown["reason"]
    assert set(shown["metrics"]["scores"]) == {"candidate", "base"}


def test_settings_of_the_training_or_the_dataset_changed_train_again(trained: Person) -> None:
    trained.correct("rank = 16", "rank = 8")
    assert retrained(trained) == "1.1.0"
    assert worked(trained) == EVERYTHING
    trained.correct("validation_share = 0.1", "validation_share = 0.3")
    assert retrained(trained) == "1.2.0"
    assert worked(trained) == EVERYTHING


def test_a_run_that_ended_before_its_evaluation_goes_on_with_other_settings_of_it(
    stranger: Person, tiny_path: Path, tmp_path: Path
) -> None:
    begin(stranger, tiny_path, "--runtime", "embedded", changes=(QUICK_MERGE,))
    feed(stranger, tmp_path / "application")
    with stranger.begun("retrain") as command:
        registered = "the candidate is registered"
        wait_until(registered, lambda: stranger.has_finished("serving"), timeout_s=stranger.patience_s)
        command.kill()
        stranger.wait(command)
    interrupted, before = stranger.last_run()
    assert interrupted.state is RunState.RUNNING

    stranger.correct("num_ctx = 4096", "num_ctx = 2048")
    said = stranger.run("retrain")
    assert said.code == 0, said
    run, after = stranger.last_run()
    assert run.id == interrupted.id
    same = {name for name in before if after[name].started_at == before[name].started_at}
    assert same == {"training", "merging"}
