"""What reads images in the file of a language model: llama.cpp by itself does not load it, and the runtime says so."""

from pathlib import Path

import numpy as np
import pytest

from adapterd.base.modelfile import Modelfile
from adapterd.errors import RuntimeRefusedError
from adapterd.serving.embedded import EmbeddedRuntime
from adapterd.serving.runtimes import file_digest
from tests.support.tiny_gguf import write_tiny_gguf


def test_a_file_that_reads_images_is_refused_with_what_to_do(tmp_path: Path) -> None:
    images = {"mm.mm_input_projection.weight": np.ones((8, 64))}
    base = write_tiny_gguf(tmp_path / "base.gguf", architecture="gemma3", tensors=images)
    runtime = EmbeddedRuntime(tmp_path / "embedded")
    runtime.create("m:1", base, file_digest(base), Modelfile())
    with pytest.raises(RuntimeRefusedError, match="more than a language model in the same file") as refused:
        runtime.load("m:1")
    assert refused.value.hint == "serve it with Ollama, which can"
