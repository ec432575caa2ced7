"""Which files of an inbox are read, by the ending of their names, and what is said of the others."""

import re
from dataclasses import dataclass
from enum import Enum, auto


class Layout(Enum):
    """How the records stand in a file."""

    LINES = auto()
    DOCUMENT = auto()
    TABLE = auto()


@dataclass(frozen=True)
class Kind:
    """What the ending of a name says: the layout, whether the file is packed, and the delimiter if it is stated."""

    layout: Layout
    is_packed: bool = False
    delimiter: str | None = None


_PLAIN = {
    ".json": Kind(Layout.DOCUMENT),
    ".jsonl": Kind(Layout.LINES),
    ".ndjson": Kind(Layout.LINES),
    ".csv": Kind(Layout.TABLE),
    ".tsv": Kind(Layout.TABLE, delimiter="\t"),
}
_KINDS = _PLAIN | {
    f"{ending}.gz": Kind(kind.layout, is_packed=True, delimiter=kind.delimiter) for ending, kind in _PLAIN.items()
}
ENDINGS = tuple(_KINDS)
_STAMP = r"\d{8}(?:[-_T.]?\d{2,6})?|\d{4}-\d\d-\d\d(?:[-_T.]\d\d(?:[-_:.]?\d\d){0,2})?|\d{9,10}"
_BEHIND = rf"(?:\d{{1,4}}|(?:{_STAMP})(?:[-_.](?:\d{{9,10}}|\d{{1,4}}))?)"
"""A number, or a date; behind that the seconds of logrotate's `%Y%m%d-%s`, or the number of a rotation on that day."""
_ROTATED = re.compile(rf"(.+\.(?:jsonl|ndjson|csv|tsv))[.-]{_BEHIND}", re.IGNORECASE | re.DOTALL)
_DATED = re.compile(rf"(.+?)(?:\.\d{{1,4}}|[.-](?:{_STAMP}))(\.(?:jsonl|ndjson|csv|tsv))", re.IGNORECASE | re.DOTALL)

_TEMPORARY = (
    ".tmp", ".temp", ".part", ".partial", ".crdownload", ".download", ".swp", ".swo", ".swx", ".lock", ".writing",
    ".inprogress", ".new", "~", "#",
)  # fmt: skip
_OF_THE_SYSTEM = frozenset({"thumbs.db", "desktop.ini", "icon\r"})
_WAYS_ON = {
    (".jsonlines", ".jl", ".jsonl.txt", ".ndjson.txt", ".txt"): "if it holds JSON Lines, rename it to end in .jsonl",
    (".json.txt",): "rename it to end in .json",
    (".csv.txt", ".tsv.txt", ".tab"): "rename it to end in .csv, or in .tsv if tabs separate its cells",
    (".xlsx", ".xls", ".xlsm", ".ods", ".numbers"): "save the sheet as CSV in UTF-8",
    (".parquet", ".arrow", ".feather", ".avro", ".orc"): "write it as JSON Lines, with pandas or DuckDB, for instance",
    (".db", ".sqlite", ".sqlite3", ".duckdb"): "export its rows as JSON Lines or CSV",
    (".zip", ".tar", ".tgz", ".7z", ".rar"): "unpack it here",
    (".bz2", ".xz", ".zst", ".lz4", ".br", ".z"): "unpack it, or pack it with gzip",
    (".yaml", ".yml", ".toml", ".xml", ".html"): "write the records as JSON Lines",
}  # fmt: skip


def kind_of(name: str) -> Kind | None:
    """The kind of a file; None if files of its ending are not read. A file of lines may have been rotated: what stands
    behind its ending then (`.1`, `-20261130`) does not count."""
    plain, packed = _unpacked(name.lower())
    rotated = _ROTATED.fullmatch(plain)
    _, dot, ending = (rotated[1] if rotated else plain).rpartition(".")
    return _KINDS.get(f"{dot}{ending}{packed}") if dot else None


def log_name(name: str) -> str:
    """The name that a rotated log had while it was written: `log.jsonl` of `log.jsonl.1.gz`, `log.jsonl-20261130` and
    `log.2026-11-30.jsonl`; any other name, but for `.gz`, as it is."""
    plain, _ = _unpacked(name)
    if rotated := _ROTATED.fullmatch(plain):
        return rotated[1]
    dated = _DATED.fullmatch(plain)
    return f"{dated[1]}{dated[2]}" if dated else plain


def _unpacked(name: str) -> tuple[str, str]:
    packed = ".gz" if name.lower().endswith(".gz") else ""
    return name[: len(name) - len(packed)], packed


def is_silent(name: str) -> bool:
    """Whether a file is passed over without a word: it is hidden, or an editor or a download is still at it."""
    lowered = name.lower()
    return lowered.startswith((".", "~$", "#")) or lowered.endswith(_TEMPORARY) or lowered in _OF_THE_SYSTEM


def passed_over(name: str) -> str:
    """The sentence that says why a file is not read, and what to do."""
    return f"files of this ending are not read; {way_on(name)}"


def way_on(name: str) -> str:
    """What to do with a file whose ending is not read."""
    lowered = name.lower()
    found = [(len(end), way) for ends, way in _WAYS_ON.items() for end in ends if lowered.endswith(end)]
    return max(found)[1] if found else f"those that are end in {', '.join(_PLAIN)}, each also with .gz behind it"
