"""Looks for a text in every file of a folder, in every form that a file may have it in."""

import html
import json
import unicodedata
from collections.abc import Collection, Iterator
from pathlib import Path


def forms_of(text: str) -> Iterator[bytes]:
    """The text in the encodings, normal forms and escapes in which it may be written."""
    for form in ("NFC", "NFD"):
        each = unicodedata.normalize(form, text)
        yield each.encode()
        yield each.encode("utf-16-le")
        yield each.encode("utf-16-be")
        yield each.encode().hex().encode()
        escaped = json.dumps(each)[1:-1]
        yield escaped.encode()
        yield json.dumps(escaped)[1:-1].encode()
        yield json.dumps(each, ensure_ascii=False)[1:-1].encode()
        yield html.escape(each).encode()
        yield html.escape(each, quote=False).encode()


def files_with(text: str, folder: Path, *, but: Collection[Path] = ()) -> list[str]:
    """The files below the folder that hold the text, case aside; those of `but` are not looked at."""
    forms = {form.lower() for form in forms_of(text)}
    found = []
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path not in but:
            content = path.read_bytes().lower()
            if any(form in content for form in forms):
                found.append(str(path.relative_to(folder)))
    return found
