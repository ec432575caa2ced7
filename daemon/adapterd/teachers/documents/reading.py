"""Documents of a folder as plain texts: txt, md, html and jsonl."""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from adapterd.errors import InputError, reason
from adapterd.printable import without_halves
from adapterd.teachers.documents.pages import text_of_html

ENDINGS = (".txt", ".md", ".markdown", ".html", ".htm", ".jsonl")
LARGEST_BYTES = 32 << 20
"""A file beyond that is left out."""
MUCH_BYTES = 1 << 20
"""Of less nobody has to see how far it is."""
TEXT_FIELDS = ("text", "content", "body")
ID_FIELDS = ("id", "source_id", "title")
_NOT_IN_IDS = re.compile(r"[^\w.-]+")


@dataclass(frozen=True)
class Document:
    """A text with the name that answers cite it by."""

    id: str
    text: str


class _HowFar:
    """How much of the files is done, by their sizes, and within one by the characters of its texts."""

    def __init__(self, files: Sequence[Path], tell: Callable[[float], object]) -> None:
        self._left = [_size(file) for file in files]
        self._all = sum(self._left)
        self._done = self._of_file = 0
        self._tell = tell
        self._say()

    def text_done(self, text: str) -> None:
        """A text of the file was worked on."""
        self._of_file = min(self._left[0], self._of_file + len(text))
        self._say()

    def file_done(self) -> None:
        """Nothing more is in the file."""
        self._done, self._of_file = self._done + self._left.pop(0), 0
        self._say()

    def _say(self) -> None:
        if self._all >= MUCH_BYTES:
            self._tell((self._done + self._of_file) / self._all)


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0


@dataclass
class Reading:
    """The documents of a folder, in the order of their names; `left_out` says of files and lines why they are none.
    `on_read` gets the share of the bytes that are read and worked on, 0…1, where these are many."""

    folder: Path
    left_out: list[str] = field(default_factory=list)
    on_read: Callable[[float], object] = lambda _share: None

    def documents(self) -> Iterator[Document]:
        """Each document; raises InputError where the folder cannot be read or has no file that is read."""
        files = self._files()
        if not files and not self.left_out:
            endings = ", ".join(ENDINGS)
            raise InputError(f"{self.folder} has no documents", hint=f"files that are read end with {endings}")
        seen, far = Counter[str](), _HowFar(files, self.on_read)
        for file in files:
            for name, text in self._texts(file):
                if not text.strip():
                    self.left_out.append(f"{name}: is empty")
                    continue
                yield Document(_unique(_NOT_IN_IDS.sub("-", name).strip("-") or "document", seen), without_halves(text))
                far.text_done(text)
            far.file_done()

    def _files(self) -> list[Path]:
        try:
            if not self.folder.is_dir():
                raise InputError(f"{self.folder} is no folder", hint="name a folder of documents")
            found = [each for each in self.folder.rglob("*") if each.suffix.lower() in ENDINGS]
        except OSError as exc:
            raise InputError(f"{self.folder} cannot be read: {reason(exc)}", hint="check its rights") from exc
        shown = [each for each in found if not any(part[0] == "." for part in each.relative_to(self.folder).parts)]
        return sorted(each for each in shown if self._is_own(each))

    def _is_own(self, file: Path) -> bool:
        """Whether it is a file of the folder; a link to one elsewhere is none: what it has was not named."""
        name = file.relative_to(self.folder)
        try:
            if not file.is_file():
                return False
            is_own = not file.is_symlink() or file.resolve().is_relative_to(self.folder.resolve())
        except OSError as exc:
            self.left_out.append(f"{name}: cannot be read: {reason(exc)}")
            return False
        if not is_own:
            self.left_out.append(f"{name}: is a link out of the folder")
        return is_own

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


def _unique(name: str, seen: Counter[str]) -> str:
    """The name, with a number behind it where it was given before; `seen` has the last number of each."""
    first = found = name[:64]
    while found in seen:
        seen[first] += 1
        found = f"{first[:60]}-{seen[first]}"
    seen[found] = 1
    return found
