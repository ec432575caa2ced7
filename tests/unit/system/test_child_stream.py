"""A generator in a process of its own: results come in order, both sides stay bounded, none outlives the other."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import count

import psutil
import pytest

from adapterd.errors import InputError, WorkerLostError
from adapterd.system.child import stream
from adapterd.system.child.stream import AHEAD, ChildStream


def look() -> None:
    return None


def scaled(numbers: Iterator[int], factor: int) -> Iterator[int]:
    sys.stdout.write("what a library says\n")
    for number in numbers:
        os.write(1, b"and another")
        yield number * factor


def megabytes(numbers: Iterator[int]) -> Iterator[bytes]:
    for number in numbers:
        yield bytes([number % 256]) * (1 << 20)


def fail_at(numbers: Iterator[int], last: int) -> Iterator[int]:
    for number in numbers:
        if number == last:
            raise InputError(f"{number} cannot be used", hint="give another")
        yield number


def die_at(numbers: Iterator[int], last: int) -> Iterator[int]:
    for number in numbers:
        if number == last:
            os.kill(os.getpid(), signal.SIGKILL)
        yield number


def silent(numbers: Iterator[int]) -> Iterator[int]:
    time.sleep(600)
    yield from numbers


def children() -> list[psutil.Process]:
    """Those that stream; this process may have others, such as a server of the session."""
    return [child for child in psutil.Process().children() if "adapterd.system.child.streaming" in command(child)]


def command(child: psutil.Process) -> list[str]:
    try:
        return child.cmdline()
    except psutil.Error:  # it has ended
        return []


def test_results_come_in_the_order_of_the_items_whatever_is_printed() -> None:
    with ChildStream[int, int](scaled, iter(range(1000)), 3, look=look) as results:
        assert list(results) == [3 * number for number in range(1000)]
    assert children() == []


def test_large_results_come_whole() -> None:
    with ChildStream[int, bytes](megabytes, iter(range(20)), look=look) as results:
        assert [(each[0], each[-1], len(each)) for each in results] == [(n, n, 1 << 20) for n in range(20)]


def test_neither_side_runs_away_from_the_other() -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for number in count():
            taken.append(number)
            yield number

    with ChildStream[int, bytes](megabytes, items(), look=look) as results:
        given = iter(results)
        for _ in range(3):
            next(given)
        (child,) = children()
        time.sleep(1.0)
        assert child.memory_info().rss < 80 << 20
        assert len(taken) <= AHEAD + 3 + 1 + 16


def test_what_the_function_raises_comes_after_what_it_gave() -> None:
    with ChildStream[int, int](fail_at, count(), 2, look=look) as results:
        given = iter(results)
        assert [next(given), next(given)] == [0, 1]
        with pytest.raises(InputError, match="2 cannot be used") as caught:
            next(given)
    assert caught.value.hint == "give another"


def test_a_process_that_is_killed_is_known_to_be_lost() -> None:
    with (
        ChildStream[int, int](die_at, count(), 0, look=look) as results,
        pytest.raises(WorkerLostError, match="die_at"),
    ):
        list(results)


def test_a_process_that_cannot_be_started_is_known_to_be_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "module_command", lambda module: ["/nonexistent/python", module])
    with pytest.raises(WorkerLostError, match="could be started"), ChildStream[int, int](scaled, count(), look=look):
        pass


def test_who_looks_may_end_the_waiting_at_once() -> None:
    began = time.monotonic()

    def stop() -> None:
        if time.monotonic() - began > 0.5:
            raise InterruptedError

    with pytest.raises(InterruptedError), ChildStream[int, int](silent, count(), look=stop) as results:
        list(results)
    assert time.monotonic() - began < 5
    assert children() == []


CALLER = """
import sys
from itertools import count
sys.path.insert(0, {root!r})
from adapterd.system.child.stream import ChildStream
from tests.unit.system.test_child_stream import megabytes, silent
with ChildStream({function}, count(), look=lambda: None) as results:
    if {function} is megabytes:
        next(iter(results))
    print("began", flush=True)
    sys.stdin.readline()
"""


@pytest.mark.parametrize("function", ["megabytes", "silent"])
def test_it_ends_with_a_caller_that_is_killed(function: str) -> None:
    """Whether it waits to be read from or does something long."""
    program = CALLER.format(root=os.getcwd(), function=function)  # noqa: PTH109
    caller = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert caller.stdout is not None
    assert caller.stdout.readline() == b"began\n"
    made = psutil.Process(caller.pid).children()
    caller.kill()
    caller.communicate()
    assert len(made) == 1
    assert psutil.wait_procs(made, timeout=10)[1] == []
