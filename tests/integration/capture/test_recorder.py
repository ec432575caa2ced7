"""The recorder as a process: what it was given is stored, whatever becomes of who gave it."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from adapterd.capture.captures import Captures
from adapterd.capture.messages import packed
from adapterd.capture.wire.exchange import Body, Exchange


def said(number: int) -> Exchange:
    asked = {"model": "smol", "messages": [{"role": "user", "content": f"question {number}"}], "stream": False}
    answer = {"model": "smol", "message": {"role": "assistant", "content": "yes"}, "done": True, "done_reason": "stop"}
    bodies = [Body(json.dumps(each).encode(), {"content-type": "application/json"}, True) for each in (asked, answer)]
    return Exchange(f"{number:026}", "POST", "/api/chat", bodies[0], 200, bodies[1], time.time(), 0.1, 0.2)


def test_what_was_given_is_stored_though_nobody_hears_of_it(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    given = b"".join(packed(said(number)) for number in range(5))
    command = [sys.executable, "-P", "-m", "adapterd.capture.recorder", str(tmp_path), "127.0.0.1:9"]
    subprocess.run(command, input=given + given[:50], stdout=writing, check=True, timeout=60)
    os.close(writing)
    with Captures(tmp_path / "captures.db") as captures:
        assert [each.id for each in captures.all()] == [said(number).id for number in range(5)]
