"""The messages of worker processes: written by one, read by its parent."""

import io
import subprocess
import sys
from typing import Any

import pytest

from adapterd.errors import InputError, StageError
from adapterd.system.child.messages import last_line, messages, rebuilt

PROGRAM = """
from adapterd.errors import InputError
from adapterd.system.child.messages import Channel
channel = Channel(report_every_s=600)
print("a library says hello")
for share in (0.1, 0.2):
    channel.report(share, step=1)
channel.announce(share=0.2, job_id="j")
channel.report(1.0)
channel.send_error(InputError("the value is wrong", hint="correct it"), source="rank 1")
channel.send_result({"text": "ü"})
"""


def test_a_worker_is_heard_and_libraries_that_print_are_not() -> None:
    others: list[bytes] = []
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0
    ) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        found = list(messages(child.stdout, others.append))
        assert b"a library says hello" in child.stderr.read()
    assert others == []
    assert found == [
        {"progress": {"share": 0.1, "step": 1}},
        {"progress": {"share": 0.2, "job_id": "j"}},
        {"progress": {"share": 1.0}},
        {"error": {"kind": "InputError", "message": "rank 1: the value is wrong", "hint": "correct it"}},
        {"result": {"text": "ü"}},
    ]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("InputError", InputError), ("NoSuchError", StageError), ("__name__", StageError), ("", StageError)],
)
def test_an_error_keeps_its_kind_if_that_is_one_of_ours(kind: str, expected: Any) -> None:
    error = rebuilt({"kind": kind, "message": "m", "hint": "h"})
    assert (type(error), str(error), error.hint) == (expected, "m", "h")


@pytest.mark.parametrize(
    ("log", "line"),
    [(b"", ""), (b"\n \n", ""), (b"one\ntwo\n\n", "two"), (b"one\n two", "two"), (b"x" * 50 + b"\nend\n", "end")],
)
def test_the_last_line_of_a_log_has_text(log: bytes, line: str) -> None:
    assert last_line(io.BytesIO(log), 20) == line
