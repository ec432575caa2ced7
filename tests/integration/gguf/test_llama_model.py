"""A file in llama.cpp says what it says in MLX."""

from pathlib import Path

import numpy as np
import pytest

from adapterd.base.gguf.llama_model import Asked, GreedyAnswer, LlamaModel
from adapterd.base.gguf.lora_gguf import write_lora
from adapterd.errors import InputError, StageError
from tests.support.tiny_gguf import mlx_logits, write_tiny_gguf

ROUNDED_KEYS = 5e-3
"""llama.cpp keeps keys and values as 16-bit floats here: of the logits' standard deviation."""
IDS = np.random.default_rng(1).integers(20, 500, 24).tolist()
LONG = np.random.default_rng(2).integers(20, 500, 1100).tolist()


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    return write_tiny_gguf(folder / "tiny.gguf", metadata={"llama.context_length": 2048})


@pytest.fixture
def lora(tmp_path: Path) -> Path:
    random = np.random.default_rng(3)
    a, b = (0.3 * random.standard_normal(shape).astype(np.float32) for shape in ((4, 64), (64, 4)))
    write_lora(tmp_path / "adapter.lora", "llama", [("blk.1.attn_q.weight", a, b)])
    return tmp_path / "adapter.lora"


def difference(found: np.ndarray, wanted: np.ndarray) -> float:
    assert found.shape == wanted.shape
    return float(np.sqrt(np.mean((found - wanted) ** 2)) / wanted.std())


def test_the_logits_are_those_of_mlx(path: Path) -> None:
    with LlamaModel.open(path, context_tokens=len(IDS)) as model:
        assert difference(model.logits(IDS, 0), mlx_logits(path, IDS)) < ROUNDED_KEYS


@pytest.mark.parametrize("first", [0, 1, 10, 23])
def test_logits_begin_where_they_are_asked_for(path: Path, first: int) -> None:
    with LlamaModel.open(path, context_tokens=len(IDS)) as model:
        whole, found = model.logits(IDS, 0), model.logits(IDS, first)
    assert found.dtype == np.float32
    assert difference(found, whole[first:]) < 1e-5


@pytest.mark.parametrize("first", [0, 511, 512, 1099])
def test_texts_may_be_longer_than_a_batch(path: Path, first: int) -> None:
    with LlamaModel.open(path, context_tokens=len(LONG)) as model:
        assert difference(model.logits(LONG, first), mlx_logits(path, LONG)[first:]) < ROUNDED_KEYS


def test_one_id_is_a_text(path: Path) -> None:
    with LlamaModel.open(path, context_tokens=1) as model:
        assert difference(model.logits(IDS[:1], 0), mlx_logits(path, IDS[:1])) < ROUNDED_KEYS


def test_an_answer_does_not_depend_on_what_was_asked_before(path: Path, lora: Path) -> None:
    with LlamaModel.open(path, context_tokens=len(IDS), lora=lora) as model:
        plain, adapted = model.logits(IDS, 3), model.logits(IDS, 3, adapted=True)
        model.logits(IDS[::-1], 0)
        np.testing.assert_array_equal(model.logits(IDS, 3), plain)
        np.testing.assert_array_equal(model.logits(IDS, 3, adapted=True), adapted)
    assert difference(adapted, plain) > 0.01


def test_two_files_may_be_open_at_once(path: Path, lora: Path) -> None:
    with LlamaModel.open(path, context_tokens=30, lora=lora) as one, LlamaModel.open(path, context_tokens=30) as other:
        adapted, plain = one.logits(IDS, 0, adapted=True), other.logits(IDS, 0)
    with LlamaModel.open(path, context_tokens=30) as alone:
        np.testing.assert_array_equal(alone.logits(IDS, 0), plain)
    assert difference(adapted, plain) > 0.01


@pytest.mark.parametrize("first", [-1, 24, 25])
def test_a_beginning_outside_of_the_text_is_refused(path: Path, first: int) -> None:
    with (
        LlamaModel.open(path, context_tokens=64) as model,
        pytest.raises(InputError, match=f"24 ids from {first} on do not fit a context of 64"),
    ):
        model.logits(IDS, first)


@pytest.mark.parametrize("ids", [[], IDS])
def test_texts_that_do_not_fit_are_refused(path: Path, ids: list[int]) -> None:
    with (
        LlamaModel.open(path, context_tokens=23) as model,
        pytest.raises(InputError, match=f"{len(ids)} ids from 0 on do not fit a context of 23"),
    ):
        model.logits(ids, 0)


@pytest.mark.parametrize("token", [-1, 512, 1 << 30])
def test_ids_that_the_model_does_not_know_are_refused(path: Path, token: int) -> None:
    with (
        LlamaModel.open(path, context_tokens=8) as model,
        pytest.raises(StageError, match=rf"llama\.cpp failed on {path}"),
    ):
        model.logits([30, token], 0)


def test_a_missing_file_is_told_by_its_name(tmp_path: Path) -> None:
    with (
        pytest.raises(InputError, match=r"nowhere\.gguf cannot be loaded by llama\.cpp: \w+"),
        LlamaModel.open(tmp_path / "nowhere.gguf", context_tokens=8),
    ):
        pass


@pytest.mark.parametrize("damage", ["cut short", "no GGUF", "empty"])
def test_a_broken_file_is_told_by_its_name(path: Path, tmp_path: Path, damage: str) -> None:
    whole = path.read_bytes()
    broken = {"cut short": whole[: len(whole) // 2], "no GGUF": b"x" * 1000, "empty": b""}
    (tmp_path / "broken.gguf").write_bytes(broken[damage])
    with (
        pytest.raises(InputError, match=r"broken\.gguf cannot be loaded by llama\.cpp: \w+"),
        LlamaModel.open(tmp_path / "broken.gguf", context_tokens=8),
    ):
        pass


@pytest.mark.parametrize("damage", ["missing", "no GGUF", "for another shape", "for no tensor"])
def test_an_adapter_that_does_not_fit_is_told_by_its_name(path: Path, tmp_path: Path, damage: str) -> None:
    lora = tmp_path / "adapter.lora"
    if damage == "no GGUF":
        lora.write_bytes(b"x" * 1000)
    elif damage != "missing":
        name, width = ("blk.1.attn_q.weight", 96) if damage == "for another shape" else ("blk.7.attn_q.weight", 64)
        write_lora(lora, "llama", [(name, np.ones((4, width), np.float32), np.ones((64, 4), np.float32))])
    with (
        pytest.raises(InputError, match=rf"{lora} cannot be applied by llama\.cpp: \w+"),
        LlamaModel.open(path, context_tokens=8, lora=lora),
    ):
        pass


NOTHING_ENDS: set[int] = set()


def step_by_step(model: LlamaModel, asked: Asked, *, adapted: bool = False) -> tuple[int, ...]:
    """The most likely ids, each of the logits of the whole text before it."""
    ids = list(asked.prompt)
    for _ in range(asked.most):
        ids.append(int(model.logits(ids, len(ids) - 1, adapted=adapted)[0].argmax()))
    return tuple(ids[len(asked.prompt) :])


@pytest.mark.parametrize("sequences", [1, 3])
@pytest.mark.parametrize("adapted", [False, True])
def test_answers_are_the_most_likely_ids_whoever_is_asked_beside(
    path: Path, lora: Path, sequences: int, adapted: bool
) -> None:
    asked = [Asked(LONG[:700], 9), Asked(IDS[:1], 4), Asked(IDS, 12), Asked(IDS[3:9], 1), Asked(IDS[5:], 7)]
    with LlamaModel.open(path, context_tokens=709, lora=lora, sequences=sequences) as model:
        found = model.answers(asked, NOTHING_ENDS, adapted=adapted)
        wanted = [GreedyAnswer(step_by_step(model, each, adapted=adapted), complete=False) for each in asked]
    assert found == wanted


def test_an_answer_ends_before_what_ends_it(path: Path) -> None:
    with LlamaModel.open(path, context_tokens=64, sequences=2) as model:
        [whole] = model.answers([Asked(IDS, 12)], NOTHING_ENDS)
        end = whole.ids[5]
        cut = whole.ids.index(end)
        [first, second] = model.answers([Asked(IDS, 12), Asked(IDS, cut)], {end})
    assert first == GreedyAnswer(whole.ids[:cut], complete=True)
    assert second == GreedyAnswer(whole.ids[:cut], complete=False)


def test_a_prompt_has_to_fit_with_its_answer(path: Path) -> None:
    with LlamaModel.open(path, context_tokens=30) as model:
        assert len(model.answers([Asked(IDS, 6)], NOTHING_ENDS)[0].ids) == 6
        with pytest.raises(InputError, match="24 ids and an answer of 7 do not fit a context of 30"):
            model.answers([Asked(IDS, 7)], NOTHING_ENDS)
