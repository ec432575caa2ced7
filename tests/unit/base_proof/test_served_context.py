"""A base with two sets of rotary factors is trained and judged by those of the context that applications get."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from adapterd.base.architectures import computed_as
from adapterd.base.gguf.gguf_file import GgufFile
from adapterd.base_proof.served_context import require_judged_context, settled_context
from adapterd.config import EvaluationSettings, ModelSettings
from adapterd.errors import InputError
from tests.support.fakes import FakeRuntime
from tests.support.tiny_gguf import write_tiny_gguf

SETTINGS = ModelSettings(base="phi4-mini:latest", base_digest="sha256:1")
TAG = "mine:base"


class Serves(FakeRuntime):
    """A runtime that gives every application a context of so many tokens."""

    def __init__(self, tokens: int | None) -> None:
        super().__init__()
        self.tokens, self.asked = tokens, 0

    def context_tokens(self, tag: str) -> int | None:
        assert tag == TAG
        self.asked += 1
        return self.tokens


@pytest.fixture(scope="module")
def phi(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_gguf(
        tmp_path_factory.mktemp("phi") / "phi.gguf", architecture="phi3",
        metadata={"phi3.rope.scaling.original_context_length": 4096, "phi3.context_length": 131_072},
        tensors={"rope_factors_short.weight": np.ones(8), "rope_factors_long.weight": np.linspace(1, 40, 8)},
    )  # fmt: skip


def settled(phi: Path, served: int | None, asked: int = 4096, *, chosen: bool = False) -> tuple[int, list[str]]:
    notes: list[str] = []
    settings = replace(SETTINGS, evaluation=EvaluationSettings(num_ctx=asked))
    made = settled_context(Serves(served), TAG, phi, settings, chosen=chosen, notify=notes.append)
    return made.evaluation.num_ctx, notes


@pytest.mark.parametrize(
    ("served", "num_ctx"), [(4096, 4096), (2048, 4096), (32_768, 8192), (131_072, 8192), (6000, 6000), (None, 4096)]
)
def test_the_evaluation_asks_on_the_side_that_is_served(phi: Path, served: int | None, num_ctx: int) -> None:
    found, [note] = settled(phi, served)
    assert found == num_ctx
    assert f"served with {served or 4096}," in note
    assert ("longer than 4096 tokens;" in note) == (num_ctx > 4096)


def test_a_context_that_a_person_chose_on_the_other_side_is_refused(phi: Path) -> None:
    with pytest.raises(InputError, match="applications get one of 32768, and") as said:
        settled(phi, 32_768, chosen=True)
    assert said.value.hint.startswith("set evaluation.num_ctx to more than 4096")
    with pytest.raises(InputError, match="applications get one of 4096"):
        settled(phi, 4096, asked=8192, chosen=True)
    assert settled(phi, 32_768, asked=5000, chosen=True)[0] == 5000


def test_a_default_that_changed_after_init_stops_a_run_before_it_is_trained(phi: Path) -> None:
    require_judged_context(Serves(4096), TAG, phi, SETTINGS)
    with pytest.raises(InputError, match="computes otherwise in a context longer than 4096 tokens"):
        require_judged_context(Serves(32_768), TAG, phi, SETTINGS)


def test_other_bases_are_not_loaded_for_it(tmp_path: Path) -> None:
    runtime, path = Serves(32_768), write_tiny_gguf(tmp_path / "tiny.gguf")
    assert settled_context(runtime, TAG, path, SETTINGS, chosen=True, notify=pytest.fail) is SETTINGS
    require_judged_context(runtime, TAG, path, SETTINGS)
    assert runtime.asked == 0


def test_states_of_the_two_sides_are_kept_apart(phi: Path) -> None:
    assert [computed_as(GgufFile.open(phi, context_tokens=tokens)) for tokens in (None, 4096, 4097)] == [
        "",
        "",
        "-long",
    ]
