"""What an adapter's modules are called in the base, and in the classes of other libraries.

A language model may be part of a vision-language class (Gemma 3 from 4B on, Mistral Small 3.x), compiled, or wrapped
for training on several machines; its blocks are the same, and llama.cpp's converter takes these names off, too.
"""

from adapterd.base.gguf.beside import BESIDE, has_more_than_language
from adapterd.base.gguf.gguf_file import GgufFile
from adapterd.errors import InputError

_WRAPPERS = frozenset(("_orig_mod", "_checkpoint_wrapped_module", "_fsdp_wrapped_module"))
"""What torch.compile, activation checkpointing and FSDP put into a name, wherever they wrap."""
_CLASSES = frozenset(("base_model", "model", "language_model", "text_model", "module"))
"""Parts of a path that lead to the language model."""
_OTHER_PARTS = (
    "vision", "visual", "image", "multi_modal", "multimodal", "mm_projector", "merger", "audio", "vit", "connector",
    "embed_vision", "embed_audio",
)  # fmt: skip
_OUTSIDE_THE_MODEL = frozenset(("lm_head",))
_GEMMA3_CONTEXT = 131_072
"""That of the Gemmas 3 that read images; the smaller ones have less, and a class of their own."""
_ALONE_IN_TRANSFORMERS = frozenset(("qwen35",))
"""Families whose language model AutoModelForCausalLM loads by itself, though they read images."""


def without_wrappers(name: str) -> str:
    """`model.layers.0._checkpoint_wrapped_module.mlp.up_proj` → `model.layers.0.mlp.up_proj`"""
    return ".".join(part for part in name.split(".") if part not in _WRAPPERS)


def in_the_base(name: str) -> str:
    """`model.language_model.layers.1.mlp.up_proj` → `model.layers.1.mlp.up_proj`; a name of another kind stays.

    Raises InputError for a module of the part that reads images or sound.
    """
    parts = without_wrappers(name).split(".")
    start = next((index for index, part in enumerate(parts) if part not in _CLASSES), len(parts) - 1)
    if parts[start].startswith(_OTHER_PARTS):
        raise InputError(
            f"the adapter changes {name}, in the part of its model that reads images or sound, which is not merged",
            hint="only the language model can be merged; train it again on that alone "
            "(Unsloth: finetune_vision_layers=False)",
        )
    rest = parts[start:]
    return ".".join(rest if rest[0] in _OUTSIDE_THE_MODEL else ["model", *rest])


def reads_images(gguf: GgufFile) -> bool:
    """Whether Hugging Face's model of the base is of a class that reads images, too, and has the language model in it.

    The GGUF of such a language model need not have the rest.
    """
    if gguf.architecture != "gemma3" or has_more_than_language(gguf):
        return gguf.architecture in BESIDE
    context = gguf.value("gemma3.context_length", 0)
    return isinstance(context, int) and context >= _GEMMA3_CONTEXT


def in_mlx_lm(module: str, gguf: GgufFile) -> str:
    """`model.layers.1.mlp.up_proj` → `language_model.model.layers.1.mlp.up_proj` where the class reads images."""
    return f"language_model.{module}" if reads_images(gguf) else module


def in_transformers(module: str, gguf: GgufFile) -> str:
    """`model.layers.1.mlp.up_proj` → `model.language_model.layers.1.mlp.up_proj` where AutoModelForCausalLM gives a
    class that reads images."""
    if gguf.architecture in _ALONE_IN_TRANSFORMERS or not reads_images(gguf):
        return module
    return f"model.language_model.{module.removeprefix('model.')}"
