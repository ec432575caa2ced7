"""What reads images beside a language model, in a real Ollama: a version has it as its base does."""

import base64
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from adapterd import config
from adapterd.base.modelfile import Modelfile
from adapterd.base_proof.proof import proven_base
from adapterd.config import OllamaSettings, Settings
from adapterd.deployment.create_model import NewModel, create_model
from adapterd.deployment.export_version import ExportFormat, export_version
from adapterd.home import Home
from adapterd.merging.merge import merge
from adapterd.serving.ollama import OllamaRuntime
from adapterd.serving.runtimes import file_digest, pinned_base
from adapterd.serving.server import PrivateOllama
from adapterd.store import Store
from tests.support.chat_templates import GO
from tests.support.tiny_adapter import SAMPLES, write_adapter
from tests.support.tiny_gguf import write_tiny_gguf
from tests.support.tiny_projector import write_tiny_projector

pytestmark = pytest.mark.ollama


@dataclass(frozen=True)
class VisionStore:
    """A private Ollama's store."""

    runtime: OllamaRuntime
    folder: Path

    def tag(self, name: str, *files: Path) -> str:
        """A tag of these files, as `ollama create` makes it of a Modelfile with a FROM for each."""
        for file in files:
            self.runtime.push_blob(file, file_digest(file))
        named = {file.name: file_digest(file) for file in files}
        self._post("create", {"model": name, "files": named, "template": GO})
        return name

    def answer(self, tag: str, image: bytes) -> str:
        message = {"role": "user", "content": "What is this?", "images": [base64.b64encode(image).decode()]}
        options = {"temperature": 0, "num_predict": 12, "num_ctx": 512}
        return str(self._post("chat", {"model": tag, "messages": [message], "options": options})["message"])

    def _post(self, path: str, request: dict[str, Any]) -> dict[str, Any]:
        answer = httpx.post(f"{self.runtime.host}/api/{path}", json={**request, "stream": False}, timeout=120)
        assert answer.is_success, answer.text
        found: dict[str, Any] = answer.json()
        return found


@pytest.fixture
def vision_store(ollama_server: PrivateOllama, tmp_path: Path) -> Iterator[VisionStore]:
    made = VisionStore(OllamaRuntime(ollama_server.host, timeout_s=120), tmp_path)
    before = set(made.runtime.tags())
    yield made
    for tag in set(made.runtime.tags()) - before:
        made.runtime.delete(tag)


@pytest.fixture
def general(vision_store: VisionStore) -> Settings:
    return Settings(ollama=OllamaSettings(host=vision_store.runtime.host))


def png(red: int) -> bytes:
    """A picture of 28 x 28 points of one colour."""
    rows = (b"\0" + bytes((red, 80, 255 - red)) * 28) * 28
    parts = (b"IHDR" + struct.pack(">IIBBBBB", 28, 28, 8, 2, 0, 0, 0), b"IDAT" + zlib.compress(rows), b"IEND")
    chunks = (struct.pack(">I", len(part) - 4) + part + struct.pack(">I", zlib.crc32(part)) for part in parts)
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def language_model(folder: Path, **more: Any) -> Path:
    metadata = {"general.name": folder.name, "llama.context_length": 1024}
    return write_tiny_gguf(folder / "language.gguf", layers=1, metadata=metadata, **more)


def test_a_version_has_the_projector_of_its_base_and_answers_images(
    home: Home, general: Settings, vision_store: VisionStore, tmp_path: Path
) -> None:
    language, projector = language_model(tmp_path), write_tiny_projector(tmp_path / "projector.gguf")
    tag, runtime = vision_store.tag("llava:1", language, projector), vision_store.runtime
    create_model(home, general, NewModel("news", tag))
    base = pinned_base(runtime, "news", config.load(home).models["news"])
    inherited = proven_base(home, config.load(home), runtime, "news", base).modelfile
    assert inherited.projectors == (file_digest(projector),)

    adapter = write_adapter(tmp_path / "adapter", base.gguf, blocks=(0,), size=0.2)
    merged = merge(base.gguf, adapter, tmp_path / "candidate.gguf", examples=SAMPLES).candidate
    runtime.create("news:1.0.0", merged, file_digest(merged), inherited)
    before, after = (runtime.show(each) for each in (tag, "news:1.0.0"))
    assert after.modelfile == before.modelfile
    assert after.files == before.files == ("model", "projector")
    assert after.capabilities == before.capabilities
    assert "vision" in (after.capabilities or ())
    assert after.stored_digest == file_digest(merged)
    assert_goes_elsewhere(home, vision_store, merged, projector)


def assert_goes_elsewhere(home: Home, store: VisionStore, merged: Path, projector: Path) -> None:
    """That what `export --as modelfile` writes makes the same tag again."""
    settings, there = config.load(home).models["news"], store.folder / "there"
    with Store(home.database) as opened:
        opened.versions.add("news", "1.0.0", run_id="r", digest="d", base_digest=settings.base_digest)
        made = export_version(
            opened, home, store.runtime, "news", settings, "1.0.0", ExportFormat.MODELFILE, there
        )  # fmt: skip
    model, beside, modelfile = made.files
    assert ([file_digest(file) for file in (model, beside)], made.note) == (
        list(map(file_digest, (merged, projector))),
        "",
    )
    lines = [line for line in modelfile.read_text().splitlines() if line.startswith("FROM ")]
    assert lines == [f"FROM ./{model.name}", f"FROM ./{beside.name}"]


def test_a_version_of_unchanged_weights_says_of_a_picture_what_its_base_says(
    home: Home, general: Settings, vision_store: VisionStore, tmp_path: Path
) -> None:
    files = language_model(tmp_path, seed=3), write_tiny_projector(tmp_path / "projector.gguf")
    tag, runtime = vision_store.tag("llava:2", *files), vision_store.runtime
    create_model(home, general, NewModel("news", tag))
    inherited = pinned_base(runtime, "news", config.load(home).models["news"]).modelfile
    runtime.create("news:1.0.0", files[0], file_digest(files[0]), inherited)
    said = [vision_store.answer(tag, png(red)) for red in (0, 255)]
    assert [vision_store.answer("news:1.0.0", png(red)) for red in (0, 255)] == said
    assert said[0] != said[1]


@pytest.mark.parametrize(
    ("architecture", "beside"),
    [("qwen35", "v.merger.linear_fc1.weight"), ("gemma4", "a.conv1d.0.weight"), ("gemma3", "mm.x.weight")],
)
def test_a_file_that_has_its_towers_inside_is_stored_as_it_is(
    vision_store: VisionStore, tmp_path: Path, architecture: str, beside: str
) -> None:
    """And said to read images: that much of it can be tried where llama.cpp cannot load such a file."""
    keys = {f"{architecture}.vision.block_count": 1}
    path = write_tiny_gguf(
        tmp_path / "base.gguf", architecture=architecture, metadata=keys, tensors={beside: np.ones((8, 8))}
    )
    vision_store.runtime.create("towers:1", path, file_digest(path), Modelfile(template=GO))
    served = vision_store.runtime.show("towers:1")
    assert served.stored_digest == file_digest(path)
    assert "vision" in (served.capabilities or ())
