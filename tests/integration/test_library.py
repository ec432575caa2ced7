"""The figure of how much of Ollama's library can be trained follows the product's own check."""

from dataclasses import replace
from pathlib import Path

import pytest
from bench.library import library, why_no_base
from bench.library_models import MODELS, LibraryModel

PLAIN = {"llama3.1", "deepseek-r1", "llama3.2", "gemma3", "qwen2.5", "qwen3", "mistral", "gemma2", "phi3", "phi4"}


@pytest.fixture(scope="module")
def figures() -> dict[str, object]:
    return library()


def by_name(name: str) -> LibraryModel:
    return next(model for model in MODELS if model.name == name)


def test_families_that_are_trained_are_bases_as_the_library_has_them(tmp_path: Path) -> None:
    assert {name: why_no_base(by_name(name), tmp_path / f"{name}.gguf") for name in PLAIN} == dict.fromkeys(PLAIN, "")


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("nomic-embed-text", "gives embeddings"),
        ("mxbai-embed-large", "gives embeddings"),
        ("qwen3-coder", "qwen3moe"),
        ("gpt-oss", "gptoss"),
    ],
)
def test_what_cannot_be_trained_is_refused_for_what_it_is(tmp_path: Path, name: str, why: str) -> None:
    assert why in why_no_base(by_name(name), tmp_path / "tiny.gguf")


def test_the_shares_count_pulls_of_models_that_answer(figures: dict[str, object]) -> None:
    rows = figures["rows"]
    assert isinstance(rows, dict)
    counted = {model.name: model for model in MODELS if model.answers}
    trained = sum(model.pulls for model in counted.values() if rows[model.name]["trainable"])
    assert figures["models"] == len(counted) == 18
    assert figures["share_of_pulls"] == round(trained / sum(model.pulls for model in counted.values()), 3)
    assert figures["share_of_pulls_without_experts"] > figures["share_of_pulls"] > 0.8  # type: ignore[operator]


def test_the_verdict_follows_the_file(tmp_path: Path) -> None:
    strange = replace(
        by_name("qwen2.5"), tensors={"blk.0.attn_sinks.weight": by_name("gpt-oss").tensors["blk.0.attn_sinks.weight"]}
    )
    assert "attn_sinks" in why_no_base(strange, tmp_path / "tiny.gguf")
