"""What stands beside the language model in a file as Ollama's converter writes it: what reads images or sound, with its
projectors, and layers that guess tokens ahead. It is neither loaded nor trained, and keeps its bytes.

Ollama's llama-server hides the same tensors from llama.cpp, and gives the file to its image reader, too (llama/compat
and llm/llama_server.go in Ollama's sources).
"""

from adapterd.base.gguf.gguf_file import GgufFile

IMAGE_TENSORS = ("v.", "mm.")
"""What the names of tensors begin with that read images."""
SOUND_TENSORS = ("a.",)
"""The same of tensors that read sound; their projectors are among those for images."""
BESIDE = {
    "gemma3": IMAGE_TENSORS,
    "gemma4": (*IMAGE_TENSORS, *SOUND_TENSORS, "model.vision_tower."),
    "mistral3": IMAGE_TENSORS,
    "qwen35": (*IMAGE_TENSORS, "mtp."),
}
"""By family, what the names of such tensors begin with. A family that is not here has none."""


def is_beside(gguf: GgufFile, tensor: str) -> bool:
    """Whether a tensor of the file is none of its language model's."""
    return tensor.startswith(BESIDE.get(gguf.architecture, ()))


def has_more_than_language(gguf: GgufFile) -> bool:
    """Whether the file has anything beside its language model, which llama.cpp by itself then does not load."""
    return any(is_beside(gguf, name) for name in gguf.tensors)
