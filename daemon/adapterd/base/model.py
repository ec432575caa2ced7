"""The base model: the file that is served, pinned by its digest, and everything a candidate inherits from it."""

from dataclasses import dataclass
from pathlib import Path

from adapterd.base.modelfile import Modelfile


@dataclass(frozen=True)
class BaseModel:
    """A served GGUF. `digest` is `sha256:<hex>` of the file's bytes, which Ollama also names its blob by.

    `modelfile` is what a version inherits; `prompting` the identity of how the runtime prompts the base, if it was
    proven (see `base_proof/proof.py`).
    """

    tag: str
    gguf: Path
    digest: str
    modelfile: Modelfile
    prompting: str = ""
