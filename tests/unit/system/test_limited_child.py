"""A child that answers requests within limits, as its parent sees it."""

from pathlib import Path

import psutil
import pytest

from adapterd.system.child.limited import LimitedChild, Limits, answer_requests

LIMITS = Limits(cpu_s=20.0, wall_s=120.0, memory_bytes=1 << 30, answer_bytes=1 << 20)


def main() -> None:
    answer_requests(LIMITS, bytes.strip)


def test_one_that_was_ended_between_two_requests_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the system where memory is short, say: that is no fault of the next request."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[3]))
    child = LimitedChild(__name__, LIMITS)
    assert child.ask(b"one") == b"one"
    (process,) = [
        each for each in psutil.Process().children() if __name__ in (each.as_dict(["cmdline"])["cmdline"] or ())
    ]
    process.kill()
    psutil.wait_procs([process], timeout=60)
    assert child.ask(b"two") == b"two"


if __name__ == "__main__":
    main()
