"""The process in which a function is called: `python -P -m adapterd.system.child.called` (see call.py)."""

import os
import pickle
import sys
import traceback

from adapterd.errors import AdapterdError
from adapterd.system.child.messages import end_with_parent


def main() -> None:
    """Call the function that standard input names; its result, or what it raised, goes to standard output."""
    with os.fdopen(os.dup(1), "wb") as out:
        os.dup2(2, 1)  # what libraries print must not get in between
        try:
            path, called = pickle.load(sys.stdin.buffer)  # noqa: S301 (from our parent)
            end_with_parent()
            sys.path[:] = path
            said = _outcome(called)
        except (KeyboardInterrupt, EOFError):  # its parent is interrupted, too, or is gone
            return
        out.write(said)


def _outcome(called: bytes) -> bytes:
    try:
        function, values = pickle.loads(called)  # noqa: S301 (from our parent)
        return pickle.dumps((function(*values), None))
    except Exception as exc:
        return pickle.dumps((None, sendable(exc)))


def sendable(exc: Exception) -> Exception:
    """What was raised, with the place where if nobody thought of it; in words where it cannot be sent."""
    if not isinstance(exc, AdapterdError):
        exc.add_note(traceback.format_exc())
    try:
        pickle.loads(pickle.dumps(exc))  # noqa: S301 (from this process)
    except Exception:
        return RuntimeError(f"{type(exc).__name__}: {exc}")
    return exc


if __name__ == "__main__":
    main()
