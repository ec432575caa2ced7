"""An adapter that was made elsewhere becomes a version, by the same way as a trained one."""

import json
import os
import signal
from hashlib import sha256
from pathlib import Path

import mlx.core as mx
import numpy as np
import pytest

from adapterd.formats.adapter_files import own_digest
from adapterd.home import Home
from tests.acceptance.conftest import begin, feed
from tests.acceptance.person import MODEL, Person, Said, descendants, wait_until

RECORDS = 14
STAGES = ["importing", "dataset", "merging", "serving", "evaluation"]
Q, DOWN = "model.layers.1.self_attn.q_proj", "model.layers.1.mlp.down_proj"
SHAPES = {Q: (64, 64), DOWN: (96, 64)}
"""(in, out) in the tiny model."""


def write_peft(folder: Path, *, rows: int = 64, **changes: object) -> Path:
    """What PEFT leaves for a model of the tiny one's size; `rows` is the height of `q_proj`."""
    random = np.random.default_rng(3)
    weights = {}
    for module, (columns, height) in (SHAPES | {Q: (64, rows)}).items():
        for factor, shape in (("lora_A", (4, columns)), ("lora_B", (height, 4))):
            values = random.standard_normal(shape).astype(np.float32) / 4
            weights[f"base_model.model.{module}.{factor}.weight"] = mx.array(values)
    folder.mkdir(parents=True, exist_ok=True)
    mx.save_safetensors(str(folder / "adapter_model.safetensors"), weights)
    config = {"peft_type": "LORA", "r": 4, "lora_alpha": 8, "bias": "none", "target_modules": ["q_proj", "down_proj"]}
    (folder / "adapter_config.json").write_text(json.dumps(config | changes))
    return folder


def merging_worker(pid: int) -> list[int]:
    """The worker that merges for this process, if it does so now."""
    return [child for child, command in descendants(pid).items() if "adapterd.worker merging" in command]


@pytest.fixture(scope="module")
def registration(tmp_path_factory: pytest.TempPathFactory, tiny_path: Path) -> tuple[Person, Path, Said]:
    """Somebody who has registered an adapter of PEFT, which folder it is in, and what they saw."""
    folder = tmp_path_factory.mktemp("register")
    person = begin(Person(Home(folder / "home")), tiny_path, "--runtime", "embedded")
    feed(person, folder / "application", count=RECORDS)
    source = write_peft(folder / "my adapter")
    return person, source, person.run("register", source, "--model", MODEL)


@pytest.fixture
def fed(person: Person, tmp_path: Path) -> Person:
    return feed(person, tmp_path / "application", count=RECORDS)


def test_a_registered_adapter_goes_the_way_of_a_trained_one(registration: tuple[Person, Path, Said]) -> None:
    person, source, said = registration
    assert said.code == 0, said
    assert f"{MODEL} 1.0.0 " in said.stdout
    assert "CANDIDATE" in said.stdout
    assert [line.split()[0] for line in said.stderr.splitlines() if " done in " in line] == STAGES
    assert person.json("status")["models"][0]["new_records"] == RECORDS, "nothing was learned from them"

    lineage = person.json("show", "1.0.0")["lineage"]
    assert lineage["given"]["source"] == str(source)
    assert (lineage["given"]["format"], lineage["given"]["increment"]) == ("peft", "patch")
    assert lineage["given"]["digest"].startswith("sha256:")
    imported = lineage["stages"]["importing"]
    assert imported.pop("adapter_digest") == own_digest(person.home.version(MODEL, "1.0.0"))
    assert imported == {
        "format": "peft", "modules": 2, "layers": 1, "rank": 4, "reordered": 1, "unused": 0,
    }  # fmt: skip
    text = person.run("show", "1.0.0").stdout
    for words in (f"{source} (peft, sha256:", "rank 4 on 2 modules", "2 of ", "CANDIDATE"):
        assert words in text
    told = [event["text"] for event in person.json("history")]
    assert any(f"registered by hand from {source}" in text for text in told)


def test_a_registered_adapter_can_be_registered_again(registration: tuple[Person, Path, Said]) -> None:
    person, _, _ = registration
    first = person.home.version(MODEL, "1.0.0")
    again = person.json("register", first, "--as", "minor")
    assert again["version"] == "1.1.0"
    lineage = person.json("show", "1.1.0")["lineage"]
    assert (lineage["given"]["format"], lineage["stages"]["importing"]["reordered"]) == ("adapterd", 0)
    assert lineage["gguf_digest"] == person.json("show", "1.0.0")["lineage"]["gguf_digest"]


@pytest.mark.parametrize("form", ["mlx", "peft", "gguf-lora"])
def test_an_exported_adapter_makes_the_same_file_again(
    registration: tuple[Person, Path, Said], tmp_path: Path, form: str
) -> None:
    person, _, _ = registration
    made = person.json("export", "1.0.0", "--as", form, tmp_path / "there")
    assert sorted(map(Path, made["files"])) == sorted((tmp_path / "there").iterdir())
    again = person.json("register", tmp_path / "there")["version"]
    digests = [person.json("show", version)["lineage"]["gguf_digest"] for version in ("1.0.0", again)]
    assert digests[0] == digests[1]


def test_an_exported_model_is_the_served_file_with_its_settings(
    registration: tuple[Person, Path, Said], tmp_path: Path
) -> None:
    person, _, _ = registration
    made = person.json("export", "1.0.0", "--as", "modelfile", tmp_path / "new" / "there")
    file, modelfile = map(Path, made["files"])
    assert f"sha256:{sha256(file.read_bytes()).hexdigest()}" == person.json("show", "1.0.0")["lineage"]["gguf_digest"]
    assert f"FROM ./{file.name}\n" in modelfile.read_text()
    (unwritable := tmp_path / "theirs").mkdir(mode=0o700)
    (unwritable / f"{MODEL}-1.0.0.gguf").symlink_to("nowhere")
    assert person.run("export", "1.0.0", "--as", "modelfile", unwritable).code == 6
    assert [each.name for each in unwritable.iterdir()] == [f"{MODEL}-1.0.0.gguf"], "nothing is left of it"
    said = person.run("export", "1.0.0", "--as", "gguf", file.parent)
    assert (said.code, said.complaint) == (6, f"{file} is there already"), "nothing is replaced"
    (tmp_path / "file").write_text("of somebody")
    for version, form, folder, code, sentence in (
        ("9.9.9", "gguf", tmp_path / "other", 4, f"{MODEL} has no version 9.9.9; there are: 1."),
        ("1.0.0", "onnx", tmp_path / "other", 2, "'onnx' is not one of"),
        ("1.0.0", "peft", tmp_path / "file", 6, f"{tmp_path / 'file'} cannot be written: File exists"),
    ):
        said = person.run("export", version, "--as", form, folder)
        assert (said.code, sentence in said.complaint) == (code, True), said
    assert not (tmp_path / "other").exists()


def test_one_that_is_no_adapter_is_refused_at_once(registration: tuple[Person, Path, Said], tmp_path: Path) -> None:
    person, _, _ = registration
    before = person.last_run()[0].id
    for given, code, sentence in (
        (tmp_path / "nowhere", 4, "is not there"),
        (tmp_path, 6, "has no file adapter_config.json"),
        (write_peft(tmp_path / "loha", peft_type="LOHA"), 6, "of PEFT's type 'LOHA'"),
    ):
        said = person.run("register", given)
        assert said.code == code, said
        assert sentence in said.complaint
    assert person.run("register", tmp_path, "--as", "major").code == 2
    assert person.last_run()[0].error == "the adapter is of PEFT's type 'LOHA', not LORA"
    assert person.last_run()[0].id != before


def test_one_that_does_not_fit_leaves_no_version_and_no_run_for_training(
    registration: tuple[Person, Path, Said], tmp_path: Path
) -> None:
    person, _, _ = registration
    versions = person.tags()
    said = person.run("register", write_peft(tmp_path / "wide", rows=96))
    assert (said.code, said.complaint) == (
        6,
        f"the adapter's {Q} is (96, 64), the base's (64, 64): made for another base?",
    )
    assert person.tags() == versions
    assert said.complaint in person.run("status").stdout


def test_registering_needs_feedback_to_evaluate_by(person: Person, tmp_path: Path) -> None:
    source = write_peft(tmp_path / "adapter")
    said = person.run("register", source)
    assert said.code == 7, said
    assert "too little feedback to judge the adapter by: there are 0 examples" in said.complaint
    assert f"`adapterctl feedback import FILE`), then `adapterctl register {source} --model {MODEL}`" in said.stderr
    feed(person, tmp_path / "application", count=RECORDS)
    assert person.json("register", source)["version"] == "1.0.0"


def test_one_that_was_killed_goes_on_without_its_source(fed: Person, tmp_path: Path) -> None:
    source = write_peft(tmp_path / "adapter")
    with fed.begun("register", source) as command:
        wait_until("it is merged", lambda: command.poll() is not None or merging_worker(command.pid))
        os.kill(merging_worker(command.pid)[0], signal.SIGKILL)
        said = fed.wait(command)
    assert said.code == 7, said
    assert f"`adapterctl register {source} --model {MODEL}` goes on where it stopped" in said.stderr
    before, stages = fed.last_run()
    source.rename(tmp_path / "moved")

    outcome = fed.json("register", source)
    assert (outcome["run_id"], outcome["continued"]) == (before.id, True)
    assert fed.last_run()[1]["importing"].started_at == stages["importing"].started_at


def test_a_training_gives_it_up_and_says_so(fed: Person, tmp_path: Path) -> None:
    source = write_peft(tmp_path / "adapter", r=8)
    assert fed.run("register", source).code == 6
    before, _ = fed.last_run()
    said = fed.run("retrain")
    assert said.code == 0, said
    assert f"run {before.id} is given up: a training was asked for, and not that {source} be registered" in said.stderr
    assert fed.last_run()[0].adapter_source is None
