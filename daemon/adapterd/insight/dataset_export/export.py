"""`dataset export`: examples and pairs, one after the other, as the files that another program trains on."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from adapterd.chat import Role
from adapterd.dataset.examples import Example, PreferencePair
from adapterd.dataset.export import ExampleFormat, Fields, PairFormat, Part, StatedPair
from adapterd.dataset.statements import resolve
from adapterd.errors import InputError
from adapterd.feedback.formats import SYNTHETIC, parse
from adapterd.insight.dataset_export.files import new_files, require_place
from adapterd.insight.dataset_export.taught import Taught

NO_PAIRS = "the format has one answer to a prompt; --format trl-preference and openai-preference have two"
NO_WORSE = "nobody named a worse answer; --format openai, trl, alpaca, sharegpt and mlx-lm need none"
READS_OTHERWISE = "`adapterctl feedback import` would refuse it or read something else in it"
NO_MARK = (
    "made by teachers, which the format has no place to say: `feedback import` would take them for people's; the other "
    "formats say it, and --synthetic any writes them all the same"
)
EXAMPLE, PAIR = "example", "pair"
TAUGHT = "taught"
PEOPLE, TEACHERS = "people", "teachers"
_ANY_TIME = datetime(2020, 1, 1, tzinfo=UTC)
_LINE_ENDS = {ord(sign): f"\\u{ord(sign):04x}" for sign in "\x85\u2028\u2029"}
"""Line ends of Unicode, which JSON lets stand as they are, and at which some programs divide lines."""


@dataclass(frozen=True)
class ExportedFile:
    """A file and the number of its records; the path is None for what went to standard output."""

    path: Path | None
    records: int


@dataclass(frozen=True)
class LeftOutOfExport:
    """How many examples or pairs are not in the files, and why."""

    what: str
    count: int
    reason: str

    def __str__(self) -> str:
        return f"{self.count} {self.what}{'' if self.count == 1 else 's'}: {self.reason}"


@dataclass(frozen=True)
class DatasetExport:
    """What was written, by set ("taught": training and validation together), and what was not.

    `by` counts who made them, people or teachers. `several_turns` records have earlier answers that are not to be
    trained on; `on_turns` says how the program is told so. Of `not_known_right` pairs the better answer is only better,
    which the format has no word for: it is read again as the right one; `unmarked` ones were made by teachers, which it
    has no word for either. `kept` are files of the folder from before.
    """

    model: str
    format: str
    files: tuple[ExportedFile, ...]
    sets: dict[str, int]
    by: dict[str, int]
    left_out: tuple[LeftOutOfExport, ...] = ()
    several_turns: int = 0
    on_turns: str = ""
    not_known_right: int = 0
    unmarked: int = 0
    kept: tuple[Path, ...] = ()

    @property
    def records(self) -> int:
        """How many examples or pairs were written."""
        return sum(self.sets.values())


@dataclass
class Exporter:
    """Writes examples and pairs, from wherever they come, in one format. `already` are those that whoever gives them
    leaves out; it is read at the end. With `marks` every record says whether a model made it, where the format has a
    place for that; where it has none, what teachers made is written if it may be `unmarked`."""

    model: str
    form: ExampleFormat | PairFormat
    already: Callable[[], Counter[tuple[type, str]]] = Counter
    marks: bool = False
    unmarked: bool = False
    _left_out: Counter[tuple[str, str]] = field(default_factory=Counter)
    _sets: Counter[str] = field(default_factory=Counter)
    _by: Counter[str] = field(default_factory=Counter)
    _several_turns: int = 0
    _not_known_right: int = 0

    def to_place(
        self, items: Iterable[Taught], target: Path, *, own: Iterable[Path] = (), force: bool = False
    ) -> DatasetExport:
        """Write them to a new file, or, where the format has several, to a folder, which is made if it is missing.

        Nothing is written into folders of our `own`. Raises InputError where it cannot be written, and where nothing is
        left to be written; then no file is made.
        """
        names = tuple(self.form.files.values())
        place = require_place(target, names, own=own, force=force)
        counts = Counter[Path]()
        with new_files(place, is_folder=bool(names), force=force) as files:
            for part, fields in self._records(items):
                path = place / self.form.files[part or Part.TRAIN] if names else place
                files.file(path).write(_line(fields))
                counts[path] += 1
            self._require_some()
        kept = tuple(place / name for name in names if (place / name).exists() and place / name not in counts)
        return self._exported([ExportedFile(path, count) for path, count in counts.items()], kept)

    def to_stream(self, items: Iterable[Taught], stream: IO[bytes]) -> DatasetExport:
        """Write them to an open file; raises InputError as `to_place` does, and for a format of several files."""
        if self.form.files:
            raise InputError(f"{self.form.name} is a folder of files", hint="give a folder: --output FOLDER")
        count = 0
        for _, fields in self._records(items):
            stream.write(_line(fields))
            count += 1
        stream.flush()
        self._require_some()
        return self._exported([ExportedFile(None, count)])

    def _records(self, items: Iterable[Taught]) -> Iterator[tuple[Part | None, Fields]]:
        wanted = self._marked(items)
        if isinstance(self.form, PairFormat):
            yield from self._pairs(self.form, wanted)
        else:
            yield from self._examples(self.form, wanted)

    def _marked(self, items: Iterable[Taught]) -> Iterator[Taught]:
        """What may be written, as far as it has to be marked."""
        for each in items:
            if each.synthetic and not self.form.has_mark and not self.unmarked:
                self._left_out[PAIR if isinstance(each.what, StatedPair) else EXAMPLE, NO_MARK] += 1
            else:
                yield each

    def _examples(self, form: ExampleFormat, items: Iterable[Taught]) -> Iterator[tuple[Part | None, Fields]]:
        for each in items:
            if isinstance(each.what, StatedPair):
                self._left_out[PAIR, NO_PAIRS] += 1
            elif fault := form.fault(each.what.messages):
                self._left_out[EXAMPLE, fault] += 1
            elif _reads_as_example(fields := form.write(each.what), each.what):
                yield self._written(each, each.what, fields)
            else:
                self._left_out[EXAMPLE, READS_OTHERWISE] += 1

    def _pairs(self, form: PairFormat, items: Iterable[Taught]) -> Iterator[tuple[Part | None, Fields]]:
        """The pairs, and the number of examples that none of them has for its better answer."""
        examples = 0
        covered = set[bytes]()
        for each in items:
            if isinstance(each.what, Example):
                examples += 1
            elif fault := form.fault(each.what):
                self._left_out[PAIR, fault] += 1
            elif _reads_as_pair(fields := form.write(each.what), each.what.pair):
                if each.what.is_right:
                    covered.add(bytes.fromhex(each.what.pair.prompt_hash)[:8])
                self._not_known_right += not (form.tells_right or each.what.is_right or each.synthetic)
                yield self._written(each, each.what.pair, fields)
            else:
                self._left_out[PAIR, READS_OTHERWISE] += 1
        if alone := examples - len(covered):
            self._left_out[EXAMPLE, NO_WORSE] += alone

    def _written(self, each: Taught, what: Example | PreferencePair, fields: Fields) -> tuple[Part | None, Fields]:
        self._sets[str(each.part or TAUGHT)] += 1
        self._by[TEACHERS if each.synthetic else PEOPLE] += 1
        self._several_turns += any(turn.role is Role.ASSISTANT for turn in what.messages)
        return each.part, {**fields, SYNTHETIC: each.synthetic} if self.marks and self.form.has_mark else fields

    def _require_some(self) -> None:
        if self._sets:
            return
        left_out = self._all_left_out()
        if not left_out:
            raise InputError(
                f"the feedback of {self.model} teaches nothing that is asked for",
                hint="corrections and answers rated 4 or 5 are taught; see `adapterctl feedback list`",
            )
        raise InputError(
            f"nothing of {self.model} can be written as {self.form.name}", hint="; ".join(map(str, left_out))
        )

    def _all_left_out(self) -> tuple[LeftOutOfExport, ...]:
        whole = Counter(self._left_out)
        for (kind, reason), count in self.already().items():
            whole[EXAMPLE if kind is Example else PAIR, reason] += count
        return tuple(LeftOutOfExport(what, count, reason) for (what, reason), count in sorted(whole.items()))

    def _exported(self, files: list[ExportedFile], kept: tuple[Path, ...] = ()) -> DatasetExport:
        on_turns = self.form.on_turns if self._several_turns else ""
        return DatasetExport(
            self.model,
            self.form.name,
            tuple(files),
            dict(self._sets),
            {PEOPLE: self._by[PEOPLE], TEACHERS: self._by[TEACHERS]},
            self._all_left_out(),
            self._several_turns,
            on_turns,
            self._not_known_right,
            0 if self.form.has_mark else self._by[TEACHERS],
            kept,
        )


def _line(fields: Fields) -> bytes:
    return (json.dumps(fields, ensure_ascii=False).translate(_LINE_ENDS) + "\n").encode()


def _reads_as_example(fields: Fields, example: Example) -> bool:
    """Whether reading the record gives the very example."""
    try:
        found = resolve(parse(fields, received_at=_ANY_TIME).records).examples
    except InputError:
        return False
    return [(each.messages, each.completion) for each in found] == [(example.messages, example.completion)]


def _reads_as_pair(fields: Fields, pair: PreferencePair) -> bool:
    """Whether reading the record gives the very pair."""
    try:
        found = resolve(parse(fields, received_at=_ANY_TIME).records).pairs
    except InputError:
        return False
    return [(each.messages, each.chosen, each.rejected) for each in found] == [
        (pair.messages, pair.chosen, pair.rejected)
    ]
