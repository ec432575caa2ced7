"""Names in the runtime."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapterd.errors import InputError
from adapterd.serving.tags import BASE, ModelTags, full_name

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
