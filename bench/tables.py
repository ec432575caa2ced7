"""The tables of docs/merging.md, written from bench/results.json: `python -m bench.tables`."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from bench import results

PAGE = Path(__file__).parent.parent / "docs" / "merging.md"
WHO = {
    "ours_plain": "ours, rounding only",
    "ours": "ours, error feedback",
    "ours_distilled": "ours, distilled",
    "peers": "mlx-lm and llama.cpp",
}
_MARKED = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
_MISSING = "–"

Measured = Mapping[str, Any]
Row = tuple[str, ...]


def fill(page: str, measured: Measured) -> str:
    """The page with each table that was measured put anew between `<!-- table: NAME -->` and `<!-- end -->`.

    A table that was not measured stays as it is. Raises ValueError for a name that is none of `TABLES`.
    """

    def table(found: re.Match[str]) -> str:
        begin, name, end = found.groups()
        if name not in TABLES:
            raise ValueError(f"there is no table {name!r}, only {', '.join(TABLES)}")
        key, render = TABLES[name]
        return f"{begin}{render(measured[key])}{end}" if key in measured else found[0]

    return _MARKED.sub(table, page)


def _retention(kinds: Measured) -> str:
    header = (
        "base", "adapter's scale", "its effect (KL)", "kept by rounding", "by error feedback", "by all of it",
        "same first choice", "merge", "training",
    )  # fmt: skip
    columns = (
        ("kl_base", _decimal), ("naive", _percent), ("error_feedback", _percent), ("final", _percent),
        ("top1", _percent), ("seconds", _seconds), ("training_seconds", _seconds),
    )  # fmt: skip
    return _table(header, _scaled(kinds, columns), names=1)


def _peers(kinds: Measured) -> str:
    header = ("base", "adapter's scale", "16-bit merge, quantised", "with an importance matrix", "ours")
    columns = (("peers16_kl", _decimal), ("peers16_imatrix_kl", _decimal), ("final_kl16", _decimal))
    return _table(header, _scaled(kinds, columns), names=1)


def _merge_speed(sizes: Measured) -> str:
    header = ("parameters", "who", "seconds", "memory, MB", "written, MB")
    rows = (
        (size, words, *(_cell(costs[who], key, _whole) for key in ("seconds", "rss_mb", "written_mb")))
        for size, costs in sizes.items()
        for who, words in WHO.items()
        if who in costs
    )
    return _table(header, rows, names=2)


def _grids(types: Measured) -> str:
    header = ("type", "tensors", "same bytes", "same values")
    keys = ("tensors", "byte_identical", "values_identical")
    rows = ((name, *(_cell(counts, key, _whole) for key in keys)) for name, counts in types.items())
    return _table(header, rows, names=1)


def _architectures(names: Measured) -> str:
    header = ("architecture", "largest difference of a logit", "same first choice")
    columns = (("max_logit_diff", _decimal), ("top1", _percent))
    rows = ((name, *(_cell(found, *column) for column in columns)) for name, found in names.items())
    return _table(header, rows, names=1)


TABLES: dict[str, tuple[str, Callable[[Measured], str]]] = {
    "retention": ("retention", _retention),
    "peers": ("retention", _peers),
    "merge_speed": ("merge_speed", _merge_speed),
    "grids": ("grids", _grids),
    "architectures": ("architectures", _architectures),
}
"""By name: the key of bench/results.json, and how what stands there becomes Markdown."""


def _scaled(kinds: Measured, columns: Iterable[tuple[str, Callable[[float], str]]]) -> Iterator[Row]:
    """A row for every quantisation and scale that has any of the columns."""
    columns = tuple(columns)
    for kind, scales in kinds.items():
        for scale, cell in scales.items():
            if any(key in cell for key, _ in columns):
                yield (kind, scale, *(_cell(cell, *column) for column in columns))


def _table(header: Row, rows: Iterable[Row], *, names: int) -> str:
    """Markdown; the first `names` columns hold words, the others numbers."""
    rule = ["---"] * names + ["---:"] * (len(header) - names)
    lines = (f"| {' | '.join(cells)} |" for cells in (header, *rows))
    first, *rest = lines
    return "\n".join((first, f"|{'|'.join(rule)}|", *rest)) + "\n"


def _cell(found: Measured, key: str, show: Callable[[float], str]) -> str:
    value = found.get(key)
    return _MISSING if value is None else show(value)


def _percent(share: float) -> str:
    return f"{share:.1%}".replace("%", " %")


def _decimal(value: float) -> str:
    return f"{value:.3g}"


def _seconds(value: float) -> str:
    return f"{value:.0f} s"


def _whole(value: float) -> str:
    return f"{value:,.0f}".replace(",", " ")


def main() -> None:
    """Write the tables that were measured into the page."""
    PAGE.write_text(fill(PAGE.read_text(encoding="utf-8"), results.read()), encoding="utf-8")


if __name__ == "__main__":
    main()
