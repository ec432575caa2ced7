"""A tiny random projector: what reads images, in a file of its own, as LLaVA's are."""

from pathlib import Path

import gguf
import numpy as np

_WIDTH, _INNER, _SIDE, _PATCH, _BLOCKS = 32, 64, 28, 14, 2
_NUMBERS = {
    "image_size": _SIDE,
    "patch_size": _PATCH,
    "embedding_length": _WIDTH,
    "feed_forward_length": _INNER,
    "block_count": _BLOCKS,
    "attention.head_count": 2,
}
_MATRICES = {
    "attn_q": (_WIDTH, _WIDTH),
    "attn_k": (_WIDTH, _WIDTH),
    "attn_v": (_WIDTH, _WIDTH),
    "attn_out": (_WIDTH, _WIDTH),
    "ffn_up": (_INNER, _WIDTH),
    "ffn_down": (_WIDTH, _INNER),
}


def write_tiny_projector(path: Path, *, hidden: int = 64, seed: int = 0, architecture: str = "clip") -> Path:
    """For language models of the width `hidden`. Ollama takes it for a projector by its architecture and type."""
    random = np.random.default_rng(seed)
    writer = gguf.GGUFWriter(path, architecture)
    if architecture == "clip":
        writer.add_type("mmproj")
    writer.add_bool("clip.has_vision_encoder", True)
    writer.add_string("clip.projector_type", "mlp")
    writer.add_bool("clip.use_gelu", True)
    for key, value in (_NUMBERS | {"projection_dim": hidden}).items():
        writer.add_uint32(f"clip.vision.{key}", value)
    writer.add_float32("clip.vision.attention.layer_norm_epsilon", 1e-5)
    for key in ("image_mean", "image_std"):
        writer.add_array(f"clip.vision.{key}", [0.5] * 3)
    for name, shape in _shapes(hidden).items():
        norm = name.endswith(("ln1.weight", "ln2.weight", "ln.weight"))
        values = np.ones(shape) if norm else random.standard_normal(shape) / 4
        writer.add_tensor(name, values.astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _shapes(hidden: int) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {
        "v.class_embd": (_WIDTH,),
        "v.patch_embd.weight": (_WIDTH, 3, _PATCH, _PATCH),
        "v.position_embd.weight": ((_SIDE // _PATCH) ** 2 + 1, _WIDTH),
    }
    linear = {"mm.0": (hidden, _WIDTH), "mm.2": (hidden, hidden)}
    for index in range(_BLOCKS):
        linear |= {f"v.blk.{index}.{stem}": shape for stem, shape in _MATRICES.items()}
    norms = ["v.pre_ln", *(f"v.blk.{index}.{stem}" for index in range(_BLOCKS) for stem in ("ln1", "ln2"))]
    for name, shape in (linear | dict.fromkeys(norms, (_WIDTH,))).items():
        shapes |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
    return shapes
