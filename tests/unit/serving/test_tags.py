"""Names in the runtime."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapterd.errors import InputError
from adapterd.serving.tags import BASE, ModelTags, full_name, is_address, labels_of, listed_name, short_name

numbers = st.integers(min_value=0, max_value=10**6)


def test_a_model_has_a_tag_for_every_part_it_plays() -> None:
    tags = ModelTags("newsbrief-synth")
    assert [tags.live, tags.previous, tags.candidate, tags.base] == [
        "newsbrief-synth:latest",
        "newsbrief-synth:previous",
        "newsbrief-synth:candidate",
        "newsbrief-synth:base",
    ]


@given(numbers, numbers, numbers)
def test_every_version_has_its_own_tag(major: int, minor: int, patch: int) -> None:
    assert ModelTags("m").version(f"{major}.{minor}.{patch}") == f"m:{major}.{minor}.{patch}"


def test_the_base_counts_as_a_version() -> None:
    assert ModelTags("m").version(BASE) == ModelTags("m").base


@pytest.mark.parametrize(
    "version",
    ["", "1", "1.2", "1.2.3.4", "v1.2.3", "01.2.3", "1.2.3 ", "1.2.3\n", "latest", "previous", "-1.0.0", "1.٢.3"],
)
def test_nothing_else_is_a_version(version: str) -> None:
    with pytest.raises(InputError, match="is not a version"):
        ModelTags("m").version(version)


@pytest.mark.parametrize(
    ("tag", "full"),
    [
        ("llama3", "llama3:latest"),
        ("llama3:8b", "llama3:8b"),
        ("me/llama3", "me/llama3:latest"),
        ("localhost:5000/me/llama3", "localhost:5000/me/llama3:latest"),
        ("hf.co/me/llama3-GGUF:Q4_K_M", "hf.co/me/llama3-GGUF:Q4_K_M"),
    ],
)
def test_a_tag_is_named_as_the_runtime_lists_it(tag: str, full: str) -> None:
    assert full_name(tag) == full
    assert full_name(full) == full


PRESENT = ("qwen2.5:7b", "me/News:latest", "hf.co/Me/Tiny-GGUF:Q4_K_M", "smollm2:latest")


@pytest.mark.parametrize(
    ("typed", "listed"),
    [
        ("qwen2.5:7b", "qwen2.5:7b"),
        ("Qwen2.5:7B", "qwen2.5:7b"),
        ("library/qwen2.5:7b", "qwen2.5:7b"),
        ("registry.ollama.ai/library/qwen2.5:7b", "qwen2.5:7b"),
        ("https://registry.ollama.ai/library/qwen2.5:7b", "qwen2.5:7b"),
        ("https://ollama.com/library/qwen2.5:7b", "qwen2.5:7b"),
        ("ollama.com/library/smollm2", "smollm2:latest"),
        ("https://ollama.com/library/smollm2/tags", "smollm2:latest"),
        ("https://ollama.com/me/news", "me/News:latest"),
        ("me/news", "me/News:latest"),
        ("hf.co/me/tiny-gguf:q4_k_m", "hf.co/Me/Tiny-GGUF:Q4_K_M"),
        ("https://hf.co/Me/Tiny-GGUF:Q4_K_M", "hf.co/Me/Tiny-GGUF:Q4_K_M"),
        ("huggingface.co/Me/Tiny-GGUF:Q4_K_M", "hf.co/Me/Tiny-GGUF:Q4_K_M"),
        ("SmolLM2", "smollm2:latest"),
    ],
)
def test_a_tag_is_found_as_people_type_it(typed: str, listed: str) -> None:
    assert listed_name(typed, PRESENT) == listed


@pytest.mark.parametrize("typed", ["qwen2.5", "you/news", "hf.co/Me/Tiny-GGUF", "qwen2.5:7b-instruct", ""])
def test_another_tag_is_not_taken_for_it(typed: str) -> None:
    assert listed_name(typed, PRESENT) is None


def test_of_two_that_differ_in_case_the_exact_one_is_meant() -> None:
    assert listed_name("A:1", ["a:1", "A:1"]) == "A:1"
    assert listed_name("A:1", ["a:1", "hf.co/x/a:1"]) == "a:1"


@pytest.mark.parametrize(
    ("typed", "pulled"),
    [
        ("https://ollama.com/library/qwen2.5:7b", "qwen2.5:7b"),
        ("https://huggingface.co/Me/Tiny-GGUF/tree/main", "hf.co/Me/Tiny-GGUF"),
        ("Library/smollm2", "smollm2"),
    ],
)
def test_a_name_is_given_as_ollama_pulls_it(typed: str, pulled: str) -> None:
    assert short_name(typed) == pulled


def test_the_same_model_under_other_labels_is_found() -> None:
    assert labels_of("https://ollama.com/library/Qwen2.5", [*PRESENT, "qwen2.5:3b"]) == ["qwen2.5:3b", "qwen2.5:7b"]
    assert labels_of("qwen2", PRESENT) == []


@pytest.mark.parametrize(
    ("typed", "address"),
    [
        ("hf.co/me/tiny-GGUF:tiny-Q4_K_M.gguf", True),
        ("https://huggingface.co/me/tiny-GGUF", True),
        ("ollama.com/library/x", True),
        ("models/hf.co/tiny.gguf", False),
        ("/models/tiny.gguf", False),
        ("tiny:1", False),
    ],
)
def test_an_address_is_told_from_a_path(typed: str, address: bool) -> None:
    assert is_address(typed) is address
