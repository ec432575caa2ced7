"""GGUF files: a tiny model's, mutated byte by byte or value by value."""

import struct
from pathlib import Path
from random import Random
from typing import Any

from adapterd.base.architectures import check_supported
from adapterd.base.gguf.gguf_file import GgufFile
from adapterd.base.gguf.served_metadata import served_metadata
from adapterd.base.modelfile import Modelfile
from adapterd.serving.usable_base import require_usable
from tests.support.tiny_gguf import write_tiny_gguf
from tests.torture.strangers.odd_values import NAMES, NUMBERS, mutated

_KINDS = {"B": 0, "b": 1, "H": 2, "h": 3, "I": 4, "i": 5, "f": 6, "?": 7, "Q": 10, "q": 11, "d": 12}
_STRING, _ARRAY = 8, 9
_JINJA = "{% for m in messages %}{{ m.content }}{% endfor %}"


class GgufFiles:
    """Makes files in `folder`, and does with each what `init` does before anything is stored."""

    def __init__(self, folder: Path, canary: str) -> None:
        self._file, self._canary = folder / "stranger.gguf", canary
        self._bases = [
            write_tiny_gguf(
                folder / f"{name}.gguf",
                architecture=name,
                layers=1,
                vocab=300,
                type_name="Q8_0",
                metadata={"tokenizer.chat_template": _JINJA},
            ).read_bytes()
            for name in ("llama", "qwen3", "gemma3", "phi3")
        ]

    def try_one(self, random: Random) -> None:
        """Make a file and read it; raises AdapterdError for what is refused."""
        base = random.choice(self._bases)
        self._file.write_bytes(
            self._made(random)
            if random.random() < 0.4
            else mutated(random, base, within=random.choice((40, 2_000, 9_000)))
        )
        file = GgufFile.open(self._file)
        for key in file.header.fields:
            if random.random() < 0.3:
                file.text_at(key, random.choice(NUMBERS[:8]))
        served_metadata(file)
        check_supported(file)
        require_usable(self._file, Modelfile(), str(self._file))
        for name in list(file.tensors)[:2]:
            file.values(name)

    def _made(self, random: Random) -> bytes:
        """A header that was written anew, with odd keys, counts and tensors."""
        keys: dict[str, Any] = {
            "general.architecture": random.choice(
                ("llama", "qwen2", "gemma2", "gemma3", "mistral3", "phi3", "bert", "", 7, ["llama"])
            ),
            "general.alignment": random.choice((32, 32, 32, 1, 3, 0, 1 << 31)),
        }
        names = (
            "block_count",
            "embedding_length",
            "feed_forward_length",
            "attention.head_count",
            "context_length",
            "attention.head_count_kv",
            "attention.layer_norm_rms_epsilon",
            "rope.dimension_count",
            "attention.key_length",
            "rope.scaling.type",
            "rope.scaling.factor",
            "expert_count",
            "attention.sliding_window_pattern",
        )
        for name in names:
            if random.random() < 0.9:
                keys[f"llama.{name}"] = random.choice((1, 2, 8, 64, *NUMBERS, "x", [1, 2], [0.5] * 100))
        keys[random.choice(NAMES) or "k"] = random.choice((*NAMES, self._canary))
        tensors = [
            (
                random.choice(
                    (*NAMES, "token_embd.weight", "output_norm.weight", *(f"blk.{n}.attn_q.weight" for n in range(4)))
                ),
                [
                    random.choice((1, 32, 64, *(n for n in NUMBERS[3:14] if isinstance(n, int))))
                    for _ in range(random.choice((1, 2, 2, 3, 9)))
                ],
                random.choice((0, 1, 2, 8, 12, 30, 99)),
                random.choice((0, 32, 64, 1 << 40, (1 << 64) - 32)),
            )
            for _ in range(random.choice((0, 1, 5, 50)))
        ]
        lie = random.choice((1, -1, 1 << 40)) if random.random() < 0.1 else 0
        written = struct.pack(
            "<4sIQQ",
            b"GGUF",
            random.choice((3,) * 15 + (2, 1, 4)),
            max(0, len(tensors) + lie),
            max(0, len(keys) + (random.choice((1, 1 << 62)) if random.random() < 0.05 else 0)),
        )
        written += b"".join(_text(name) + _value(random, value) for name, value in keys.items())
        for name, sizes, kind, offset in tensors:
            written += _text(name) + struct.pack(
                f"<I{len(sizes)}QIQ", len(sizes), *(n % (1 << 64) for n in sizes), kind, offset
            )
        return written + bytes(random.choice((0, 64, 9_000)))


def _text(text: str) -> bytes:
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def _value(random: Random, value: Any) -> bytes:
    if isinstance(value, str):
        return struct.pack("<I", _STRING) + _text(value)
    if isinstance(value, list):
        lies = random.random() < 0.2
        kind = random.choice((0, 8, 9, 99)) if lies else 4
        count = random.choice((1 << 62, 1 << 20, 1)) if lies else len(value)
        return struct.pack("<IIQ", _ARRAY, kind, count) + b"\1\0\0\0" * len(value)
    if isinstance(value, float):
        return struct.pack("<Id", _KINDS["d"], value)
    letter = random.choice("IQI")
    return struct.pack(f"<I{letter}", _KINDS[letter], value % (1 << (32 if letter == "I" else 64)))
