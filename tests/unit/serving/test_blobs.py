"""Ollama's store is read as it lies on the disk; what cannot be made sense of makes all of it unknown."""

import json
from pathlib import Path

import pytest

from adapterd.serving.blobs import read_manifests, stored_files
from adapterd.serving.runtime import StoredFile


def digest(number: int) -> str:
    return f"sha256:{number:064x}"


def write_manifest(folder: Path, name: str, *layers: int, config: int = 0) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    parts = [{"mediaType": "model", "digest": digest(layer)} for layer in layers]
    path.write_text(json.dumps({"schemaVersion": 2, "config": {"digest": digest(config)}, "layers": parts}))
    return path


@pytest.mark.parametrize(
    ("name", "tag"),
    [
        ("registry.ollama.ai/library/qwen2.5/7b", "qwen2.5:7b"),
        ("registry.ollama.ai/someone/m/latest", "someone/m:latest"),
        ("hf.co/someone/m/Q4_K_M", "hf.co/someone/m:Q4_K_M"),
    ],
)
def test_tags_have_the_names_that_ollama_lists(tmp_path: Path, name: str, tag: str) -> None:
    write_manifest(tmp_path, name, 1, 2, config=3)
    assert read_manifests(tmp_path) == {tag: {digest(1), digest(2), digest(3)}}


def test_files_that_are_no_manifests_are_skipped(tmp_path: Path) -> None:
    write_manifest(tmp_path, "registry.ollama.ai/library/m/1", 1)
    (tmp_path / "registry.ollama.ai/library/m/.DS_Store").write_bytes(b"\0")
    (tmp_path / "registry.ollama.ai/library/m/folder").mkdir()
    assert read_manifests(tmp_path) == {"m:1": {digest(0), digest(1)}}


@pytest.mark.parametrize(
    "text", ["", '{"config": {"dig', "[]", "7", "{}", '{"config": {}}', '{"config": [], "layers": 3}']
)
def test_one_manifest_that_cannot_be_read_makes_all_unknown(tmp_path: Path, text: str) -> None:
    write_manifest(tmp_path, "registry.ollama.ai/library/m/1", 1)
    write_manifest(tmp_path, "registry.ollama.ai/library/m/2", 1).write_text(text)
    assert read_manifests(tmp_path) is None


def test_a_manifest_without_layers_names_its_configuration(tmp_path: Path) -> None:
    path = write_manifest(tmp_path, "registry.ollama.ai/library/m/1")
    path.write_text(json.dumps({"config": {"digest": digest(7)}, "layers": None}))
    assert read_manifests(tmp_path) == {"m:1": {digest(7)}}


def test_files_are_listed_with_their_tags_and_unfinished_ones_are_not(tmp_path: Path) -> None:
    for name in (f"sha256-{1:064x}", f"sha256-{2:064x}", f"sha256-{3:064x}-partial", f".sha256-{4:064x}.partial"):
        (tmp_path / name).write_bytes(b"12345")
    assert stored_files(tmp_path, {"m:1": {digest(1)}, "m:2": {digest(1), digest(9)}}) == [
        StoredFile(tmp_path / f"sha256-{1:064x}", digest(1), 5, frozenset({"m:1", "m:2"})),
        StoredFile(tmp_path / f"sha256-{2:064x}", digest(2), 5, frozenset()),
    ]


def test_a_linked_file_gives_nothing_back(tmp_path: Path) -> None:
    blob = tmp_path / f"sha256-{1:064x}"
    blob.write_bytes(b"12345")
    (tmp_path / "candidate.gguf").hardlink_to(blob)
    [found] = stored_files(tmp_path, {}) or []
    assert found.size_bytes == 0


def test_a_store_that_is_not_there_is_empty_and_one_that_is_no_folder_unknown(tmp_path: Path) -> None:
    assert stored_files(tmp_path / "blobs", {}) == []
    (tmp_path / "file").touch()
    assert stored_files(tmp_path / "file", {}) is None
