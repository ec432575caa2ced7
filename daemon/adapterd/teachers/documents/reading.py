"""Documents of a folder as plain texts: txt, md, html and jsonl."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from adapterd.errors import InputError, reason

ENDINGS = (".txt", ".md", ".markdown", ".html", ".htm", ".jsonl")
LARGEST_BYTES = 32 << 20
"""A file beyond that is left out."""
TEXT_FIELDS = ("text", "content", "body")
ID_FIELDS = ("id", "source_id", "title")
_HIDDEN = frozenset(("script", "style", "noscript", "template", "head"))
_BLOCKS = frozenset(
    ("p", "div", "br", "li", "ul", "ol", "table", "tr", "section", "article", "blockquote", "pre", "hr")
)
_HEADINGS = frozenset(f"h{level}" for level in range(1, 7))
_NOT_IN_IDS = re.compile(r"[^\w.-]+")


@dataclass(frozen=True)
class Document:
    """A text with the name that answers cite it by."""

    id: str
    text: str


@dataclass
class Reading:
    """The documents of a folder, in the order of their names; `left_out` says of files and lines why they are none."""

    folder: Path
    left_out: list[str] = field(default_factory=list)

    def documents(self) -> Iterator[Document]:
        """Each document; raises InputError where the folder cannot be read or has no file that is read."""
        files = self._files()
        if not files:
            endings = ", ".join(ENDINGS)
            raise InputError(f"{self.folder} has no documents", hint=f"files that are read end with {endings}")
        seen = set[str]()
        for file in files:
            for name, text in self._texts(file):
                if not text.strip():
                    self.left_out.append(f"{name}: is empty")
                    continue
                yield Document(_unique(_NOT_IN_IDS.sub("-", name).strip("-") or "document", seen), text)

    def _files(self) -> list[Path]:
        try:
            if not self.folder.is_dir():
                raise InputError(f"{self.folder} is no folder", hint="name a folder of documents")
            found = [each for each in self.folder.rglob("*") if each.suffix.lower() in ENDINGS and each.is_file()]
        except OSError as exc:
            raise InputError(f"{self.folder} cannot be read: {reason(exc)}", hint="check its rights") from exc
        return sorted(
            each for each in found if not any(part.startswith(".") for part in each.relative_to(self.folder).parts)
        )

    def _texts(self, file: Path) -> Iterator[tuple[str, str]]:
        """The texts in a file, each with a name."""
        name = str(file.relative_to(self.folder))
        try:
            if file.stat().st_size > LARGEST_BYTES:
                self.left_out.append(f"{name}: is larger than {LARGEST_BYTES >> 20} MB")
                return
            text = file.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as exc:
            self.left_out.append(f"{name}: cannot be read: {reason(exc)}")
            return
        ending = file.suffix.lower()
        if ending == ".jsonl":
            yield from self._lines(name, text)
        else:
            yield name.removesuffix(file.suffix), text_of_html(text) if ending in (".html", ".htm") else text

    def _lines(self, name: str, text: str) -> Iterator[tuple[str, str]]:
        for number, line in enumerate(text.split("\n"), start=1):
            if not line.strip():
                continue
            try:
                found: Any = json.loads(line)
            except (ValueError, RecursionError):
                self.left_out.append(f"{name}, line {number}: is no JSON")
                continue
            fields = found if isinstance(found, dict) else {}
            said = next((fields[key] for key in TEXT_FIELDS if isinstance(fields.get(key), str)), None)
            if said is None:
                self.left_out.append(f"{name}, line {number}: has no text in any of {', '.join(TEXT_FIELDS)}")
                continue
            known = next((str(fields[key]) for key in ID_FIELDS if isinstance(fields.get(key), str | int)), None)
            yield known or f"{name.removesuffix('.jsonl')}-{number}", said


def _unique(name: str, seen: set[str]) -> str:
    found, number = name[:64], 1
    while found in seen:
        number += 1
        found = f"{name[:60]}-{number}"
    seen.add(found)
    return found


class _Texts(HTMLParser):
    """The text of a page that a person sees, a line for each block."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts = list[str]()
        self._hidden = 0

    def handle_starttag(self, tag: str, _attrs: list[tuple[str, str | None]]) -> None:
        self._hidden += tag in _HIDDEN
        if tag in _BLOCKS | _HEADINGS:
            self.parts.append("\n")

    def handle_endtag(self, tag: str) -> None:
        self._hidden -= tag in _HIDDEN and self._hidden > 0
        if tag in _BLOCKS | _HEADINGS:
            self.parts.append("\n")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.parts.append(re.sub(r"\s+", " ", data))


def text_of_html(page: str) -> str:
    """What a person reads of a page: without markup, scripts and styles; paragraphs are apart by an empty line."""
    parser = _Texts()
    parser.feed(page)
    parser.close()
    lines = (line.strip() for line in "".join(parser.parts).split("\n"))
    return "\n\n".join(filter(None, lines))
