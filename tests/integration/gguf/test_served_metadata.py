"""Llama 3 files without a pre-tokenizer's name, Gemma 4 files with another tokenizer's: training reads their metadata
as Ollama's llama-server does."""

from contextlib import closing
from functools import cache
from pathlib import Path
from struct import pack
from typing import Any

import gguf
import llama_cpp
import numpy as np
import pytest

from adapterd.base.gguf.gguf_file import GgufFile, Metadata
from adapterd.base.gguf.served_metadata import served_metadata
from adapterd.base.gguf.tokenizer import Tokenizer
from tests.support.tiny_gguf import smollm2_gguf, write_tiny_gguf

TOKENS = 128_256
MARKS = {
    128_001: "<|end_of_text|>",
    128_006: "<|start_header_id|>",
    128_007: "<|end_header_id|>",
    128_009: "<|eot_id|>",
}
PRE, EOS, EOT = (f"tokenizer.ggml.{name}" for name in ("pre", "eos_token_id", "eot_token_id"))
MODEL = "tokenizer.ggml.model"
KEYS = {"pre": PRE, "eos": EOS, "eot": EOT, "template": "tokenizer.chat_template"}
TEXTS = ("Longmeadow paid $421 million, 2,500 jobs by 2027-03-01.", "Hello there, how are you?", "I'LL GO   now\n\n\n!")


def text(value: str) -> bytes:
    return pack("<Q", len(value.encode())) + value.encode()


@cache
def _plain_tokens() -> tuple[list[str], list[bytes]]:
    """SmolLM2's tokens, then reserved ones up to Llama 3's number."""
    tokens = GgufFile.open(smollm2_gguf()).value("tokenizer.ggml.tokens")
    tokens += [f"<|reserved {number}|>" for number in range(len(tokens), TOKENS)]
    return tokens, [text(token) for token in tokens]


def write(path: Path, *, marks: dict[int, str] | None = None, architecture: str = "llama", **metadata: Any) -> Path:
    """The header of a file with so many tokens, of which these are Llama 3's; `metadata` by their names in KEYS."""
    tokens = list(_plain_tokens()[1])
    for number, mark in (MARKS if marks is None else marks).items():
        tokens[number] = text(mark)
    keys = {"general.architecture": architecture, EOS: 128_001}
    keys |= {KEYS[name]: value for name, value in metadata.items()}
    entries = [
        text(key) + (pack("<I", 8) + text(value) if isinstance(value, str) else pack("<II", 4, value))
        for key, value in keys.items()
    ]
    entries.append(text("tokenizer.ggml.tokens") + pack("<IIQ", 9, 8, TOKENS) + b"".join(tokens))
    path.write_bytes(b"GGUF" + pack("<IQQ", 3, 0, len(entries)) + b"".join(entries))
    return path


def write_vocabulary(path: Path) -> Path:
    """A file of which llama.cpp can read the vocabulary: SmolLM2's, with Llama 3's control tokens."""
    fields, tokens = GgufFile.open(smollm2_gguf()), list(_plain_tokens()[0])
    kinds = fields.value("tokenizer.ggml.token_type")
    kinds += [int(gguf.TokenType.CONTROL)] * (TOKENS - len(kinds))
    for number, mark in MARKS.items():
        tokens[number] = mark
    with closing(gguf.GGUFWriter(path, "llama")) as writer:
        for size in ("block_count", "embedding_length", "feed_forward_length", "head_count", "context_length"):
            getattr(writer, f"add_{size}")(8)
        writer.add_layer_norm_rms_eps(1e-5)
        writer.add_tokenizer_model("gpt2")
        writer.add_token_list(tokens)
        writer.add_token_types(kinds)
        writer.add_token_merges(fields.value("tokenizer.ggml.merges"))
        writer.add_eos_token_id(128_001)
        writer.add_tensor("token_embd.weight", np.zeros((TOKENS, 8), np.float16))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
    return path


def found(path: Path, **options: Any) -> dict[str, Metadata]:
    return served_metadata(GgufFile.open(write(path / "file.gguf", **options)))


def test_a_missing_pre_tokenizer_and_end_of_turn_are_completed(tmp_path: Path) -> None:
    assert found(tmp_path) == {PRE: "llama-bpe", EOS: 128_009, EOT: 128_009}


@pytest.mark.parametrize("pre", ["", "default"])
def test_a_pre_tokenizer_that_says_nothing_is_as_good_as_none(tmp_path: Path, pre: str) -> None:
    assert found(tmp_path, pre=pre, eos=128_009, eot=128_008) == {PRE: "llama-bpe"}


def test_a_named_pre_tokenizer_stays_and_the_end_of_a_text_is_no_end_of_a_turn(tmp_path: Path) -> None:
    assert found(tmp_path, pre="llama-bpe", eot=128_001) == {EOS: 128_009, EOT: 128_009}


@pytest.mark.parametrize(
    "options",
    [
        {"pre": "llama-bpe", "eos": 128_009},
        {"marks": {}},
        {"marks": {128_009: "<|eot_id|>"}},
        {"marks": {128_006: "<|start_header_id|>"}},
        {"architecture": "qwen2"},
    ],
    ids=["complete", "another vocabulary", "no header", "no end of turn", "another architecture"],
)
def test_other_files_are_read_as_they_are(tmp_path: Path, options: dict[str, Any]) -> None:
    assert found(tmp_path, **options) == {}


def test_a_template_marks_a_file_too(tmp_path: Path) -> None:
    marked = found(tmp_path, marks={128_009: "<|eot_id|>"}, template="{{ '<|start_header_id|>' + message.role }}")
    assert marked[PRE] == "llama-bpe"


def test_ids_are_those_of_the_completed_metadata(tmp_path: Path) -> None:
    path = write_vocabulary(tmp_path / "file.gguf")
    ours, plain, served = (
        Tokenizer.open(path),
        llama_cpp.Llama(str(path), vocab_only=True, verbose=False),
        llama_cpp.Llama(str(path), vocab_only=True, verbose=False, kv_overrides={PRE: "llama-bpe", EOS: 128_009}),
    )
    expected = [served.tokenize(text.encode(), add_bos=True, special=True) for text in TEXTS]
    assert [ours.encode_prompt(text) for text in TEXTS] == expected
    assert expected != [plain.tokenize(text.encode(), add_bos=True, special=True) for text in TEXTS]
    assert ours.end_of_turn_id == 128_009
    for model in (plain, served):
        model.close()


def as_ollama_converts_gemma4(path: Path, **metadata: Any) -> Path:
    """It names the tokenizer of earlier Gemmas, and writes what Gemma 4's own needs."""
    own = {"tokenizer.ggml.pre": "gemma4", "tokenizer.ggml.merges": ["P a", "r i", "ri s", "Pa ris"]}
    return write_tiny_gguf(path, architecture="gemma4", tokenizer="llama", metadata=own | metadata)


def test_gemma4_is_read_with_its_own_tokenizer_by_whatever_name(tmp_path: Path) -> None:
    path = as_ollama_converts_gemma4(tmp_path / "file.gguf")
    assert served_metadata(GgufFile.open(path)) == {MODEL: "gemma4"}
    ours, plain, served = (
        Tokenizer.open(path),
        llama_cpp.Llama(str(path), vocab_only=True, verbose=False),
        llama_cpp.Llama(str(path), vocab_only=True, verbose=False, kv_overrides={MODEL: "gemma4"}),
    )
    expected = [served.tokenize(text.encode(), add_bos=True, special=True) for text in TEXTS]
    assert [ours.encode_prompt(text) for text in TEXTS] == expected
    assert expected != [plain.tokenize(text.encode(), add_bos=True, special=True) for text in TEXTS]
    for model in (plain, served):
        model.close()


def test_gemma4_by_llama_cpps_converter_is_read_as_it_is(tmp_path: Path) -> None:
    assert served_metadata(GgufFile.open(write_tiny_gguf(tmp_path / "file.gguf", architecture="gemma4"))) == {}
