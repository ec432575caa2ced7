"""The base model: the file that is served, pinned by its digest, and everything a candidate inherits from it."""

from dataclasses import dataclass
from pathlib import Path

from adapterd.base.modelfile import Modelfile


@dataclass(frozen=True)
class BaseModel:
    """A served GGUF. `digest` is `sha256:<hex>` of the file's bytes, which Ollama also names its blob by."""

    tag: str
    gguf: Path
    digest: str
    modelfile: Modelfile
