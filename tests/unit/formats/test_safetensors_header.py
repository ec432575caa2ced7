"""A safetensors header is checked against the file before any library reads it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from adapterd.errors import InputError
from adapterd.formats.safetensors_header import MOST_HEADER_BYTES, require_sound
from adapterd.system.files import open_given

GOOD = {
    "a": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]},
    "b": {"dtype": "BF16", "shape": [2], "data_offsets": [16, 20]},
    "__metadata__": {"format": "pt"},
}

FAR = 1 << 62


def file(folder: Path, header: Any, data: int = 20, length: int | None = None) -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    (path := folder / "x.safetensors").write_bytes(
        (len(text) if length is None else length).to_bytes(8, "little") + text + bytes(data)
    )
    return path


def check(path: Path) -> None:
    with open_given(path) as stream:
        require_sound(stream, "x")


def changed(change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    header: dict[str, Any] = json.loads(json.dumps(GOOD))
    change(header)
    return header


@pytest.mark.parametrize("metadata", [{}, None, {"format": "pt"}])
def test_what_libraries_write_is_sound(tmp_path: Path, metadata: Any) -> None:
    check(file(tmp_path, GOOD | {"__metadata__": metadata}))
    check(file(tmp_path, {}, data=0))


HOSTILE: dict[str, tuple[str, Any]] = {
    "a shape that is larger than the file": ("larger than the file", lambda h: h["a"].update(shape=[1 << 40, 1 << 40])),
    "offsets beyond the end": ("other bytes than its shape", lambda h: h["b"].update(data_offsets=[FAR, FAR + 4])),
    "a hole": ("do not follow each other", lambda h: h["b"].update(data_offsets=[15, 19])),
    "the same place twice": ("do not follow each other", lambda h: h.update(c=h["a"])),
    "offsets turned round": ("other bytes than its shape", lambda h: h["b"].update(data_offsets=[20, 16])),
    "bytes behind": ("goes on behind its tensors", lambda h: h.pop("b")),
    "a type of nobody's": ("stored as 'F7', which is not known", lambda h: h["a"].update(dtype="F7")),
    "a size that is no number": ("no whole numbers", lambda h: h["a"].update(shape=[2.0, True])),
    "negative sizes": ("no whole numbers", lambda h: h["a"].update(shape=[-2, -2])),
    "many dimensions": ("the shape of 'a'", lambda h: h["a"].update(shape=[1] * 9)),
    "a tensor that is a list": ("a tensor that is no object", lambda h: h.update(a=[])),
    "one offset": ("the data_offsets of 'a'", lambda h: h["a"].update(data_offsets=[0])),
    "metadata that are numbers": ("are not texts", lambda h: h.update(__metadata__={"a": 1})),
    "a long name": ("a tensor's name has 501 characters", lambda h: h.update({"x" * 501: h.pop("a")})),
}  # fmt: skip


@pytest.mark.parametrize("what", HOSTILE)
def test_a_header_that_lies_is_refused(tmp_path: Path, what: str) -> None:
    said, change = HOSTILE[what]
    with pytest.raises(InputError, match=f"^x is not a safetensors file, or is damaged or cut short: .*{said}"):
        check(file(tmp_path, changed(change)))


@pytest.mark.parametrize(
    ("header", "length", "said"),
    [
        (b"", None, "does not fit into it"), (b"{}", 1 << 63, "does not fit into it"), (b"[]", None, "no object"),
        (b"{", None, "x is not"), (b"[" * 100_000, None, "x is not"), (b'{"a":{},"a":{}}', None, "is there twice"),
        (b"\xff\xff", None, "x is not"), (b" " * (MOST_HEADER_BYTES + 1), None, "are the most that is read"),
    ],
)  # fmt: skip
def test_what_is_no_header_is_refused(tmp_path: Path, header: bytes, length: int | None, said: str) -> None:
    with pytest.raises(InputError, match=said):
        check(file(tmp_path, header, length=length))
