"""A place in a file of lines: where a reading begins, and where it ended."""

from dataclasses import dataclass


@dataclass
class Place:
    """A reading begins after `start_bytes` and `lines` whole lines, in a table with these `columns`.

    After it `end_bytes` and `lines` say how far it came, and `is_open` whether the last line that was read has no end;
    0 bytes where nobody can go on from there.
    """

    start_bytes: int = 0
    lines: int = 0
    columns: tuple[str, ...] = ()
    delimiter: str = ""
    end_bytes: int = 0
    is_open: bool = False

    def reached(self, read_bytes: int, lines: int, *, is_open: bool) -> None:
        """Note that so many bytes were read, and that this many lines begin in the file up to there."""
        self.end_bytes, self.lines, self.is_open = self.start_bytes + read_bytes, lines - is_open, is_open
