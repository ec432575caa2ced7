"""mlx-lm's own loader reads the folder that is exported for it."""

from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from adapterd.chat import Message, Role
from adapterd.dataset.export import Part, export_format
from adapterd.dataset.statements import resolve
from adapterd.insight.dataset_export.export import Exporter
from adapterd.insight.dataset_export.taught import Taught
from adapterd.record import FeedbackRecord

AT = datetime(2026, 1, 1, tzinfo=UTC)
TURNS = (
    Message(Role.SYSTEM, "Be brief."),
    Message(Role.USER, "Who met?"),
    Message(Role.ASSISTANT, "Somebody."),
    Message(Role.USER, "Who?\u2028 日本\n"),
)
ANSWER = '{"met": "The council 🙂"}'


class Template:
    """A tokenizer whose tokens are characters, with a plain chat template."""

    def apply_chat_template(
        self, messages: list[dict[str, str]], *, add_generation_prompt: bool = False, **_: Any
    ) -> list[int]:
        text = "".join(f"<{each['role']}>{each['content']}\n" for each in messages)
        return [*map(ord, text + "<assistant>" * add_generation_prompt)]


@pytest.fixture
def exported_folder(tmp_path: Path) -> Path:
    """One example for each set."""
    records = [
        FeedbackRecord(
            (*TURNS[:-1], Message(Role.USER, f"{TURNS[-1].content}{part}")), correction=ANSWER, created_at=AT
        )
        for part in Part
    ]
    items = [
        Taught(each, part, synthetic=part is Part.TRAIN)
        for each, part in zip(resolve(records).examples, Part, strict=True)
    ]
    Exporter("m", export_format("mlx-lm"), marks=True).to_place(items, tmp_path / "data")
    return tmp_path / "data"


def test_each_set_is_loaded_and_only_the_last_answer_is_trained_on(exported_folder: Path) -> None:
    from mlx_lm.tuner.datasets import load_dataset

    arguments = SimpleNamespace(data=str(exported_folder), train=True, test=True, mask_prompt=True)
    for part, found in zip(Part, load_dataset(arguments, Template()), strict=True):
        assert type(found).__name__ == "ChatDataset"
        tokens, offset = found.process(found[0])
        whole = "".join(map(chr, tokens))
        assert whole[offset:] == f"{ANSWER}\n"
        assert whole[:offset].endswith(f"{TURNS[-1].content}{part}\n<assistant>")
        assert "<system>Be brief.\n<user>Who met?\n<assistant>Somebody.\n" in whole


def test_a_folder_without_validation_is_loaded_too(exported_folder: Path) -> None:
    from mlx_lm.tuner.datasets import load_dataset

    (exported_folder / "valid.jsonl").unlink()
    arguments = SimpleNamespace(data=str(exported_folder), train=True, test=False, mask_prompt=True)
    train, valid, _ = load_dataset(arguments, Template())
    assert (len(train), len(valid)) == (1, 0)
