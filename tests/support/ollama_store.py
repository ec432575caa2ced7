"""The store of a private Ollama, with what people have in theirs."""

import hashlib
import itertools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from adapterd.base.modelfile import Modelfile
from adapterd.serving.ollama import OllamaRuntime
from adapterd.serving.runtimes import file_digest
from adapterd.serving.server import PrivateOllama
from tests.support.chat_templates import GO
from tests.support.tiny_gguf import write_tiny_gguf

numbers = itertools.count(1)


@dataclass(frozen=True)
class OllamaStore:
    """A private Ollama's store, into which this puts what `ollama create` and `ollama pull` of any release leave."""

    server: PrivateOllama
    runtime: OllamaRuntime
    folder: Path

    def file(self, template: str | None, architecture: str = "llama", **more: Any) -> Path:
        """A model that nobody has seen before."""
        number = next(numbers)
        metadata = {"general.name": f"tiny {number}", f"{architecture}.context_length": 1024}
        metadata |= {"tokenizer.chat_template": template} if template else {}
        metadata |= more.pop("metadata", {})
        path = self.folder / f"{number}.gguf"
        return write_tiny_gguf(path, architecture=architecture, layers=1, metadata=metadata, **more)

    def tag(self, name: str, file: Path, modelfile: Modelfile | None = None) -> str:
        self.runtime.create(name, file, file_digest(file), modelfile or Modelfile())
        return name

    def manifest(self, tag: str) -> Path:
        name, _, label = tag.partition(":")
        return self.server.folder / "models/manifests/registry.ollama.ai/library" / name / label

    def add_layer(self, tag: str, kind: str, data: bytes) -> None:
        """As older releases made tags; this one still serves them."""
        whole = json.loads(self.manifest(tag).read_bytes())
        whole["layers"] = [
            each for each in whole["layers"] if not each["mediaType"].endswith(f".{kind}") or kind == "model"
        ]
        whole["layers"].append(self.blob(f"application/vnd.ollama.image.{kind}", data))
        self.manifest(tag).write_text(json.dumps(whole))
        self.notice()

    def blob(self, media_type: str, data: bytes) -> dict[str, Any]:
        digest = hashlib.sha256(data).hexdigest()
        (self.server.folder / "models/blobs" / f"sha256-{digest}").write_bytes(data)
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(data)}

    def write_manifest(self, tag: str, settings: dict[str, Any], layers: list[dict[str, Any]]) -> None:
        """A tag that no request of this release makes."""
        config = self.blob("application/vnd.docker.container.image.v1+json", json.dumps(settings).encode())
        whole = {
            "schemaVersion": 2, "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
            "config": config, "layers": layers,
        }  # fmt: skip
        self.manifest(tag).parent.mkdir(parents=True, exist_ok=True)
        self.manifest(tag).write_text(json.dumps(whole))
        self.notice()

    def notice(self) -> None:
        """Have Ollama look at its manifests again: it keeps a list, which every create refreshes."""
        self.tag("noticed:1", self.file(GO), Modelfile(template=GO))
        self.runtime.delete("noticed:1")

    def shown(self, tag: str) -> dict[str, Any]:
        found: dict[str, Any] = httpx.post(f"{self.server.host}/api/show", json={"model": tag}, timeout=60).json()
        return found
