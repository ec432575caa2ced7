"""Ollama's manifests, replaced in one step where its store is on this machine and ours.

Ollama writes a manifest in place: emptied, then filled. For some milliseconds a tag that is copied over is torn, and
whoever asks it then gets an error 500 ("EOF"); a crash leaves it like that. A rename has no such moment.
"""

import json
import os
import re
from contextlib import suppress
from pathlib import Path

from adapterd.serving.blobs import HOST, NAMESPACE, digests_of, is_own_folder
from adapterd.serving.tags import full_name

_PLAIN = re.compile(r"([a-z0-9][a-z0-9._-]*):([A-Za-z0-9][A-Za-z0-9._-]*)")
"""Names without a host or a namespace, as all of ours are."""


def replace(store: Path, source: str, target: str) -> bool:
    """Make the tag `target` the same as `source` in the store (the folder of `manifests` and `blobs`).

    False where that cannot be done: names with a host, a store of somebody else, a source that is missing or damaged.
    It is not synced to the disk, for a rollback has to be quick: what a power cut tears, `reconcile` puts back.
    """
    wanted, place = _file(store, source), _file(store, target)
    if wanted is None or place is None or not is_own_folder(place.parent):
        return False
    unfinished = store / f".adapterd-{os.getpid()}.partial"  # among the manifests Ollama would take it for a tag
    try:
        manifest = wanted.read_bytes()
        digests_of(manifest)
        unfinished.write_bytes(manifest)
        unfinished.chmod(wanted.stat().st_mode & 0o777)
        unfinished.replace(place)
    except (OSError, ValueError, LookupError, TypeError):
        with suppress(OSError):
            unfinished.unlink()
        return False
    return True


def layers(store: Path, tag: str) -> tuple[str, ...] | None:
    """What kinds of layers a tag has, in their order (`model`, `template`, …); None where that cannot be read."""
    found = _layers(store, tag)
    return None if found is None else tuple(kind for kind, _ in found)


def files(store: Path, tag: str, kind: str) -> tuple[Path, ...]:
    """The files of a tag's layers of this kind, in their order; none where the manifest cannot be read."""
    return tuple(
        store / "blobs" / digest.replace(":", "-") for each, digest in _layers(store, tag) or () if each == kind
    )


def _layers(store: Path, tag: str) -> list[tuple[str, str]] | None:
    """Kind and digest of each layer."""
    name, _, label = full_name(tag).rpartition(":")
    parts = name.split("/")
    place = [HOST, NAMESPACE, *parts] if len(parts) == 1 else [HOST, *parts] if len(parts) == 2 else parts
    try:
        whole = json.loads(store.joinpath("manifests", *place, label).read_bytes())
        return [(layer["mediaType"].rpartition(".")[2], str(layer["digest"])) for layer in whole["layers"] or ()]
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return None


def _file(store: Path, tag: str) -> Path | None:
    plain = _PLAIN.fullmatch(tag)
    return store / "manifests" / HOST / NAMESPACE / plain[1] / plain[2] if plain else None
