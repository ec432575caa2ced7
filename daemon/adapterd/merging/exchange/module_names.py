"""What an adapter's modules are called in the base: the names of wrapping classes taken off.

A language model may be part of a vision-language class (Gemma 3 from 4B on, Mistral Small 3.x), compiled, or wrapped
for training on several machines; its blocks are the same, and llama.cpp's converter takes these names off, too.
"""

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
