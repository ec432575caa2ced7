"""A runtime's blob store on this machine, read only: which blobs there are, and which tags need them."""

import json
import os
from collections.abc import Collection, Mapping
from pathlib import Path

from adapterd.serving.runtime import StoredFile, digest_of_name

HOST, NAMESPACE = "registry.ollama.ai", "library"
"""The default registry and namespace, which Ollama leaves out of the names that it lists."""


def read_manifests(folder: Path) -> dict[str, set[str]] | None:
    """What each tag in Ollama's folder of manifests (HOST/NAMESPACE/NAME/TAG) is made of: the digests of its files.

    None if one of them cannot be read: what it names is not known then.
    """
    try:
        files = [file for file in folder.glob("*/*/*/[!.]*") if file.is_file()]
        return {_tag(file.relative_to(folder).parts): digests_of(file.read_bytes()) for file in files}
    except (OSError, ValueError, LookupError, TypeError):
        return None


def stored_files(folder: Path, named: Mapping[str, Collection[str]]) -> list[StoredFile] | None:
    """The complete files in a folder of blobs, with the tags that name their digests; None if it cannot be read."""
    tags: dict[str, set[str]] = {}
    for tag, digests in named.items():
        for digest in digests:
            tags.setdefault(digest, set()).add(tag)
    try:
        return [_stored(path, tags) for path in sorted(folder.iterdir()) if digest_of_name(path)]
    except FileNotFoundError:
        return []
    except OSError:
        return None


def _stored(path: Path, tags: Mapping[str, Collection[str]]) -> StoredFile:
    digest, status = path.name.replace("-", ":"), path.stat()
    only_name = status.st_nlink == 1
    return StoredFile(path, digest, status.st_size if only_name else 0, frozenset(tags.get(digest, ())))


def digests_of(manifest: bytes) -> set[str]:
    """The digests that a manifest names; raises ValueError, LookupError or TypeError if it is not a whole one."""
    parsed = json.loads(manifest)
    return {part["digest"] for part in (parsed["config"], *(parsed["layers"] or ()))}


def is_own_folder(folder: Path) -> bool:
    """Whether a file that this process makes in the folder can be read by the server, as both run as the same user."""
    try:
        return folder.stat().st_uid == os.geteuid() and os.access(folder, os.W_OK)
    except OSError:
        return False


def _tag(parts: tuple[str, ...]) -> str:
    """The name as Ollama lists it."""
    host, namespace, name, label = parts
    folders = (host, namespace) if host != HOST else (namespace,) if namespace != NAMESPACE else ()
    return "/".join((*folders, f"{name}:{label}"))
