"""Which bases of a real Ollama can be trained: a row for every tag, whatever is in the store."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import pytest

from adapterctl.commands.bases import _row as shown_row
from adapterd.base_proof.needs import Workload
from adapterd.config import ModelSettings, OllamaSettings, Settings
from adapterd.deployment.create_model import NewModel, create_model
from adapterd.errors import AdapterdError, InputError, NotFoundError, RuntimeUnavailableError
from adapterd.home import Home
from adapterd.insight.bases import BaseRow, Bases, look_at_bases
from adapterd.serving.ollama import OllamaRuntime
from adapterd.serving.runtime import ServedModel
from adapterd.serving.server import PrivateOllama
from tests.acceptance.person import Person
from tests.support.chat_templates import TOOLS
from tests.support.ollama_store import OllamaStore

pytestmark = pytest.mark.ollama
REMOTE = {"remote_host": "https://ollama.com:443", "remote_model": "big", "capabilities": ["completion"]}


@pytest.fixture
def general(ollama_store: OllamaStore) -> Settings:
    return Settings(ollama=OllamaSettings(host=ollama_store.server.host))


@pytest.fixture
def person(tmp_path: Path, ollama_store: OllamaStore) -> Person:
    """Somebody who has not begun, and whose Ollama is where OLLAMA_HOST says."""
    return Person(Home(tmp_path / "home"), {"OLLAMA_HOST": ollama_store.server.host})


def look(home: Home, general: Settings, store: OllamaStore, *tags: str) -> Bases:
    return look_at_bases(home, general, store.runtime, tags)


def row(home: Home, general: Settings, store: OllamaStore, tag: str) -> BaseRow:
    [found] = look(home, general, store, tag).rows
    return found


def test_a_base_is_told_with_what_it_takes(home: Home, general: Settings, ollama_store: OllamaStore) -> None:
    file = ollama_store.file(TOOLS, type_name="Q8_0")
    found = row(home, general, ollama_store, ollama_store.tag("good:1", file))
    assert (found.tag, found.trainable, found.fits, found.why_not) == ("good:1", True, True, "")
    assert (found.architecture, found.quantization, found.size_bytes) == ("llama", "Q8_0", file.stat().st_size)
    assert found.needs
    assert 0 < found.needs.evaluation_bytes < found.needs.peak_bytes < 2e9
    assert found.needs.training_s
    assert found.needs.training_s < 60


def test_more_records_take_longer_and_longer_ones_more_memory(
    home: Home, general: Settings, ollama_store: OllamaStore
) -> None:
    tag = ollama_store.tag("good:1", ollama_store.file(TOOLS))
    few, many, long = (
        look_at_bases(home, general, ollama_store.runtime, [tag], work=work).rows[0].needs
        for work in (Workload(100, 100), Workload(3000, 100), Workload(100, 2000))
    )
    assert few
    assert many
    assert long
    assert (many.training_s or 0) > 2 * (few.training_s or 0) > 0
    assert long.training_bytes > few.training_bytes == many.training_bytes


def test_every_odd_tag_is_a_row_with_the_reason_and_the_others_stay(
    home: Home, general: Settings, ollama_store: OllamaStore
) -> None:
    store = ollama_store
    store.tag("aa-good:1", store.file(TOOLS))
    store.tag("embed:1", store.file(TOOLS, "qwen3", metadata={"qwen3.pooling_type": 3}))
    store.add_layer(store.tag("llava:1", store.file(TOOLS)), "projector", store.file(TOOLS).read_bytes())
    layer = store.blob("application/vnd.ollama.image.tensor", b"x" * 100) | {"name": "model.embed_tokens.weight"}
    mlx = {"model_format": "safetensors", "model_family": "qwen3", "capabilities": ["completion"]}
    store.write_manifest("qwen:mlx", mlx, [layer])
    store.write_manifest("big:cloud", REMOTE, [])
    damage(store, store.tag("zz-cut:1", store.file(TOOLS)), keep=1000)
    damage(store, store.tag("zz-empty:1", store.file(TOOLS)), keep=0)
    damage(store, store.tag("zz-gone:1", store.file(TOOLS)), keep=None)
    rows = {each.tag: each for each in look(home, general, store).rows}
    assert rows["aa-good:1"].trainable
    assert rows["llava:1"].trainable  # its projector stays beside it
    expected = {
        "embed:1": "gives embeddings, not answers",
        "qwen:mlx": "stored as safetensors (Ollama's MLX format)",
        "big:cloud": "cloud",
        "zz-cut:1": "zz-cut:1",
        "zz-empty:1": "zz-empty:1",
        "zz-gone:1": "zz-gone:1",
    }
    for tag in ("zz-cut:1", "zz-empty:1"):
        assert f"`ollama pull {tag}` brings what is missing or damaged" in rows[tag].hint, rows[tag]
    assert "--base FILE.gguf" in rows["zz-gone:1"].hint
    for tag, sentence in expected.items():
        assert not rows[tag].trainable, tag
        assert rows[tag].why_not, tag
        assert sentence in rows[tag].why_not
        assert rows[tag].needs is None
        assert "sha256-" not in rows[tag].why_not or tag.startswith("zz-"), rows[tag].why_not
    assert (rows["embed:1"].architecture, rows["big:cloud"].architecture) == ("qwen3", None)


def damage(store: OllamaStore, tag: str, keep: int | None) -> None:
    """Leave so many bytes of a tag's file, or nothing of it."""
    shown = store.runtime.show(tag)
    assert shown.gguf
    if keep is None:
        shown.gguf.unlink()
    else:
        os.truncate(shown.gguf, keep)


def test_the_reason_is_the_one_that_init_gives(home: Home, general: Settings, ollama_store: OllamaStore) -> None:
    tag = ollama_store.tag("moe:1", ollama_store.file(TOOLS, metadata={"llama.expert_count": 8}))
    found = row(home, general, ollama_store, tag)
    with pytest.raises(AdapterdError) as refused:
        create_model(home, general, NewModel("news", tag))
    assert (found.why_not, found.hint) == (str(refused.value), refused.value.hint)
    assert "mixture of experts" in found.why_not


def test_versions_made_here_are_left_out_unless_they_are_named(
    home: Home, general: Settings, ollama_store: OllamaStore
) -> None:
    store = ollama_store
    file = store.file(TOOLS)
    for label in ("base", "latest", "1.0.0", "own", "by-hand"):
        store.tag(f"news:{label}", file)
    settings = Settings(ollama=general.ollama, models={"news": ModelSettings(base="x", base_digest="sha256:1")})
    found = look_at_bases(home, settings, store.runtime)
    named = {each.tag for each in found.rows}
    assert {"news:own", "news:by-hand"} <= named
    assert not named & {"news:base", "news:latest", "news:1.0.0"}
    assert found.left_out == 3
    [one] = look_at_bases(home, settings, store.runtime, ["news:1.0.0"]).rows
    assert (one.version_of, one.trainable) == ("news", True)


def test_a_base_beyond_this_machine_says_so(
    home: Home, general: Settings, ollama_store: OllamaStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    tag = ollama_store.tag("good:1", ollama_store.file(TOOLS))
    monkeypatch.setattr("adapterd.base_proof.needs.memory_bytes", lambda: 1_100_000_000)
    found = row(home, general, ollama_store, tag)
    assert (found.trainable, found.fits) == (True, False)
    assert "too large for this machine's 1.1 GB: training needs about 0.3 GB of memory" in found.why_not
    for stage, setting in (("merging", "merging.steps"), ("evaluation", "evaluation.num_ctx")):
        assert found.needs
        assert (setting in found.hint) == (f"{stage} needs about" in found.why_not) == (stage in found.needs.too_large)
    assert "training.layers or dataset.max_tokens" in found.hint


def test_records_beyond_what_is_learned_from_are_refused_or_bounded(
    home: Home, general: Settings, ollama_store: OllamaStore
) -> None:
    tag = ollama_store.tag("good:1", ollama_store.file(TOOLS))  # which reads 1024 tokens
    [longest], [longer] = (
        look_at_bases(home, general, ollama_store.runtime, [tag], work=Workload(tokens=tokens)).rows
        for tokens in (1024, 2000)
    )
    assert (longest.why_not, longer.needs) == ("", longest.needs and replace(longest.needs, training_s=ANY))
    assert "reads 1024 tokens" in longer.why_not
    assert "dataset.max_tokens" in longer.hint
    with pytest.raises(InputError, match="records of 2049 tokens, but of 2048 at most"):
        look_at_bases(home, general, ollama_store.runtime, [tag], work=Workload(tokens=2049))


def test_a_file_is_looked_at_as_init_does(home: Home, general: Settings, ollama_store: OllamaStore) -> None:
    good, bare = ollama_store.file(TOOLS, type_name="Q8_0"), ollama_store.file(None)
    found = look(home, general, ollama_store, str(good), str(bare))
    assert [(each.tag, each.trainable, each.quantization) for each in found.rows] == [
        (str(good), True, "Q8_0"), (str(bare), False, found.rows[1].quantization),
    ]  # fmt: skip
    assert found.rows[0].needs
    with pytest.raises(AdapterdError) as refused:
        create_model(home, general, NewModel("news", str(bare)))
    assert (found.rows[1].why_not, found.rows[1].hint) == (str(refused.value), refused.value.hint)
    with pytest.raises(NotFoundError, match="does not exist"):
        look(home, general, ollama_store, str(good.with_name("nothing.gguf")))


class Late(OllamaRuntime):
    """One that takes too long to tell of a tag."""

    def show(self, tag: str) -> ServedModel:
        raise RuntimeUnavailableError(f"no answer about {tag} within 1 s", hint="see whether it is busy")


def test_an_answer_that_comes_too_late_is_no_reason_to_pull(
    home: Home, general: Settings, ollama_store: OllamaStore
) -> None:
    tag = ollama_store.tag("good:1", ollama_store.file(TOOLS))
    [found] = look_at_bases(home, general, Late(ollama_store.server.host, timeout_s=120), [tag]).rows
    assert (found.why_not, found.hint) == ("no answer about good:1 within 1 s", "see whether it is busy")


def test_a_base_whose_needs_cannot_be_told_says_so(
    home: Home, general: Settings, ollama_store: OllamaStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise KeyError("ffn_down")

    monkeypatch.setattr("adapterd.insight.bases.needs", fails)
    found = row(home, general, ollama_store, ollama_store.tag("odd:1", ollama_store.file(TOOLS)))
    assert (found.trainable, found.fits, found.needs) == (True, None, None)
    assert "what it takes cannot be told (KeyError: 'ffn_down')" in found.why_not
    assert "yes, needs unknown" in shown_row(found)


def test_a_tag_that_is_not_there_is_refused_with_what_to_pull(
    home: Home, general: Settings, ollama_store: OllamaStore
) -> None:
    with pytest.raises(NotFoundError, match="has no nobody:7b") as refused:
        look(home, general, ollama_store, "nobody:7b")
    assert refused.value.hint == "ollama pull nobody:7b"


def test_a_server_that_goes_meanwhile_is_told_once(
    home: Home, ollama_binary: Path, ollama_store: OllamaStore, tmp_path: Path
) -> None:
    with PrivateOllama(ollama_binary, tmp_path / "other") as server:
        runtime = OllamaRuntime(server.host, timeout_s=120)
        store = OllamaStore(server, runtime, tmp_path)
        for number in range(3):
            store.tag(f"good:{number}", store.file(TOOLS))
        with pytest.raises(RuntimeUnavailableError):
            look_at_bases(home, Settings(), runtime, report=lambda _share: server.stop())


def test_the_command_shows_rows_reasons_and_what_they_are_for(person: Person, ollama_store: OllamaStore) -> None:
    ollama_store.tag("good:1", ollama_store.file(TOOLS, type_name="Q8_0"))
    ollama_store.tag("embed:1", ollama_store.file(TOOLS, "qwen3", metadata={"qwen3.pooling_type": 3}))
    said = person.run("bases")
    assert said.code == 0, said
    lines = said.stdout.splitlines()
    [good] = [line for line in lines if line.startswith("good:1")]
    assert "llama Q8_0" in good
    assert " yes " in good
    assert any("embed:1 gives embeddings, not answers" in line for line in lines)
    assert "100 records of about 500 tokens" in said.stdout
    told: dict[str, Any] = person.json("bases")
    assert {"good:1", "embed:1"} <= {each["tag"] for each in told["rows"]}
    assert told["memory_bytes"] > 0


def test_an_ollama_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    said = Person(Home(tmp_path / "home"), {"OLLAMA_HOST": "http://127.0.0.1:9"}).run("bases")
    assert said.code == 5
    assert "127.0.0.1:9" in said.complaint
