"""Lists of records inside an object, as services hand them out: `{"data": […], "total": 2}`."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from adapterd.feedback import strict_json
from adapterd.feedback.checks import shown
from adapterd.feedback.contents.arrays import ArrayReader
from adapterd.feedback.contents.pieces import ParsedPiece, Piece, RejectedPiece
from adapterd.feedback.formats import is_record

NAMES = frozenset({"data", "records", "examples", "items", "rows", "results", "inferences", "datapoints"})
_BESIDE = frozenset({
    "object", "model", "name", "title", "description", "id", "version", "schema", "schema_version", "format", "source",
    "url", "license", "language", "dataset", "dataset_id", "dataset_name", "project", "project_id", "split",
    "created", "created_at", "createdat", "updated_at", "updatedat", "exported_at", "exportedat", "generated_at",
    "count", "total", "total_count", "totalcount", "totalitems", "total_pages", "totalpages", "size", "meta",
    "pagination", "page", "pages", "page_size", "pagesize", "per_page", "limit", "offset", "next", "previous", "prev",
    "cursor", "next_cursor", "nextcursor", "next_page", "has_more", "hasmore", "first_id", "last_id", "links", "_links",
    "columns", "features", "num_rows", "num_rows_total", "num_rows_per_page", "partial", "ok", "success", "error",
})  # fmt: skip
"""What services say of a list, in lower case; nothing of it is said of a single record."""
_ROW = frozenset({"row_idx", "row", "truncated_cells"})


def may_be(value: Mapping[str, object]) -> bool:
    """Whether an object has a list under one of the names that lists of records have."""
    return not NAMES.isdisjoint(value) and any(isinstance(value[name], list) for name in NAMES & value.keys())


@dataclass(frozen=True)
class _Member:
    """A field of an object in a text: its value stands from `start` to `end`."""

    name: str
    start: int
    end: int


def read_object(text: str, start: int, *, line: int | None = None) -> Iterator[Piece]:
    """The records in the object at `start`, counted from 1 or all with the number `line`.

    It is one record itself unless it holds a list of them. Raises InputError where it cannot be read.
    """
    members, end = _members(text, start)
    strict_json.expect_end(text, end)
    lists = [each for each in members if each.name in NAMES and _is_list_of_objects(text, each)]
    beside = {each.name: each for each in members if each not in lists}
    if len(lists) != 1 or len(beside) + 1 != len(members) or _is_record(text, lists[0].name, beside.values()):
        yield ParsedPiece(line or 1, strict_json.decode(text), text.encode())
    elif unknown := sorted(name for name in beside if name.lower() not in _BESIDE):
        yield RejectedPiece(
            line or 0,
            f"it has the list {lists[0].name} and beside it {shown(unknown[0])}, which could be said of all records "
            "in it; write it into each of them, or leave it out",
            text.encode() if line else None,
        )
    else:
        yield from map(_without_row, ArrayReader(text, lists[0].start).pieces(line=line))


def _members(text: str, start: int) -> tuple[list[_Member], int]:
    """The fields of the object at `start` and where it ends; of a list no element is kept."""
    found: list[_Member] = []
    position = strict_json.skip_white_space(text, start + 1)
    while found or text[position : position + 1] != "}":
        if text[position : position + 1] != '"':
            raise strict_json.syntax_error("expecting property name enclosed in double quotes", text, position)
        name, position = strict_json.decode_at(text, position)
        position = strict_json.skip_white_space(text, position)
        if text[position : position + 1] != ":":
            raise strict_json.syntax_error("expecting ':' delimiter", text, position)
        begin = strict_json.skip_white_space(text, position + 1)
        end = _end(text, begin)
        found.append(_Member(str(name), begin, end))
        position = strict_json.skip_white_space(text, end)
        if text[position : position + 1] == "}":
            break
        if text[position : position + 1] != ",":
            raise strict_json.syntax_error("expecting ',' delimiter", text, position)
        position = strict_json.skip_white_space(text, position + 1)
    return found, position + 1


def _end(text: str, start: int) -> int:
    if text[start : start + 1] != "[":
        return strict_json.end_of_value(text, start)
    array = ArrayReader(text, start)
    array.skip()
    return array.end


def _is_list_of_objects(text: str, member: _Member) -> bool:
    first = strict_json.skip_white_space(text, member.start + 1)
    return text[member.start] == "[" and text[first] in "{]"


def _is_record(text: str, name: str, beside: Iterable[_Member]) -> bool:
    return is_record({name: [], **{each.name: strict_json.decode(text[each.start : each.end]) for each in beside}})


def _without_row(piece: Piece) -> Piece:
    """The record itself where it is a row as the server of Hugging Face's datasets sends it."""
    if not isinstance(piece, ParsedPiece):
        return piece
    value = piece.value
    if not isinstance(value, dict) or "row" not in value or not value.keys() <= _ROW:
        return piece
    if value.get("truncated_cells"):
        return RejectedPiece(piece.line, "truncated_cells says that the row is not whole", piece.raw)
    return piece._replace(value=value["row"])
