"""A real training of a tiny model with more examples than can be prepared in its time."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from adapterd.base.gguf.gguf_file import GgufFile
from adapterd.config import Preferences, TrainingSettings
from adapterd.formats.adapter_files import WEIGHTS
from adapterd.formats.encoded import PAIRS, REPLAY, TRAIN, VALIDATION, VALIDATION_PAIRS
from adapterd.system.files import sha256_file
from adapterd.training.checkpoints.checkpoint import CHECKPOINT
from adapterd.training.hidden_state_cache import HiddenStateCache
from adapterd.training.progress import TrainingProgress, TrainingResult
from adapterd.training.train import train
from adapterd.training.training_sets import FEWEST, LEFT_OUT, TrainingSets
from tests.support.tiny_gguf import write_tiny_gguf

NO_TIME = TrainingSettings(rank=4, layers=1, epochs=1, batch_size=4, learning_rate=1e-2, max_hours=1e-9)
TIME = replace(NO_TIME, max_hours=1.0)
COUNTS = {TRAIN: 100, VALIDATION: 20, REPLAY: 9}
DIGEST = "sha256:" + 64 * "5"


@pytest.fixture
def base(tmp_path: Path) -> GgufFile:
    return GgufFile.open(write_tiny_gguf(tmp_path / "base.gguf", layers=3))


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    folder = tmp_path / "dataset"
    folder.mkdir()
    for name, count in COUNTS.items():
        lines = [{"ids": _ids(number, len(name)), "prompt_tokens": 4, "record": f"{name}-{number}"}
                 for number in range(count)]  # fmt: skip
        (folder / name).write_text("\n".join(map(json.dumps, lines)))
    return folder


def _ids(number: int, what: int) -> list[int]:
    return [3 + number % 50, 3 + number // 50, what, 7, 8, 9, 2]


def trained(
    base: GgufFile, dataset: Path, out: Path, settings: TrainingSettings = NO_TIME,
    told: list[TrainingProgress] | None = None,
) -> TrainingResult:  # fmt: skip
    cache = HiddenStateCache(out.parent / f"states-of-{out.name}", 1 << 30)
    report = (told if told is not None else []).append
    return train(base, dataset, settings, out, report, base_digest=DIGEST, cache=cache)


def prepared(told: list[TrainingProgress]) -> int:
    return sum("layers below the adapter" in (progress.doing or "") for progress in told)


def test_a_sample_is_taken_where_there_is_no_time_to_prepare_all(base: GgufFile, dataset: Path, tmp_path: Path) -> None:
    told: list[TrainingProgress] = []
    result = trained(base, dataset, tmp_path / "out", told=told)
    assert prepared(told) == FEWEST + COUNTS[REPLAY]
    sentence, planned = result.notes
    taken = int(sentence.split()[0])
    assert sentence == f"{taken} of 100 examples were prepared and taken, for training.max_hours is 1e-09"
    assert planned.startswith("5 of ")
    assert FEWEST - COUNTS[VALIDATION] <= taken < FEWEST
    assert result.first_validation_loss is not None


def test_with_time_enough_all_are_taken(base: GgufFile, dataset: Path, tmp_path: Path) -> None:
    told: list[TrainingProgress] = []
    assert trained(base, dataset, tmp_path / "out", TIME, told).notes == []
    assert prepared(told) == sum(COUNTS.values())
    assert not (tmp_path / "out" / LEFT_OUT).exists()


def test_what_is_prepared_already_takes_no_time(base: GgufFile, dataset: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    trained(base, dataset, out, TIME)
    for file in (CHECKPOINT, WEIGHTS):
        (out / file).unlink()
    told: list[TrainingProgress] = []
    assert len(trained(base, dataset, out, NO_TIME, told).notes) == 1
    assert prepared(told) == 0


def test_one_that_resumes_takes_the_same_examples(base: GgufFile, dataset: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    before = trained(base, dataset, out)
    digest = sha256_file(out / WEIGHTS)
    for file in (CHECKPOINT, WEIGHTS):
        (out / file).unlink()
    told: list[TrainingProgress] = []
    again = trained(base, dataset, out, told=told)
    assert prepared(told) == 0
    assert (again.notes, again.train_tokens) == (before.notes, before.train_tokens)
    assert sha256_file(out / WEIGHTS) == digest


@pytest.mark.parametrize("damaged", ["", "{", "[]", '{"of": 1, "left_out": [0]}', '{"left_out": [0]}'])
def test_what_is_not_known_to_be_left_out_is_taken(base: GgufFile, dataset: Path, tmp_path: Path, damaged: str) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / LEFT_OUT).write_text(damaged)
    assert trained(base, dataset, out, TIME).notes == []


def test_a_pair_is_taken_with_both_of_its_sides_or_not_at_all(base: GgufFile, dataset: Path, tmp_path: Path) -> None:
    for name in (PAIRS, VALIDATION_PAIRS):
        lines = [
            {"chosen": [*_ids(number, 20), 2], "rejected": [*_ids(number, 20), 5, 2], "prompt_tokens": 4,
             "record": f"{name}-{number}"}
            for number in range(60)
        ]  # fmt: skip
        (dataset / name).write_text("\n".join(map(json.dumps, lines)))
    settings = replace(NO_TIME, preferences=Preferences.DPO)
    result = trained(base, dataset, tmp_path / "out", settings)
    left_out = json.loads((tmp_path / "out" / LEFT_OUT).read_text())["left_out"]
    sets = TrainingSets.read(dataset, settings)
    gone = {sets.in_turn[place].ids for place in left_out}
    taken = sets.only(lambda each: each.ids not in gone)
    assert result.notes[0].startswith(f"{len(taken.data.train) + len(taken.pairs)} of ")
    assert taken.pairs
    assert taken.validation_pairs
    assert set(sets.examples) == set(sets.in_turn)
