"""What a Prometheus server scrapes."""

import json
import re
import time
from pathlib import Path

from adapterd.capture.captures import Captures, Counted
from adapterd.capture.rates import day_of
from adapterd.home import Home
from adapterd.insight.metrics import Exposition, exposition
from adapterd.serving.server import free_port
from adapterd.store import Store
from tests.support.scripted_server import scripted
from tests.unit.capture.test_captures import of

SAMPLE = re.compile(r'adapterd_[a-z_]+(\{[a-z]+="(\\.|[^"\\\n])*"(,[a-z]+="(\\.|[^"\\\n])*")*\})? [0-9.e+-]+')
HIDDEN = "hidden-4711"


def test_each_line_is_of_the_format(home: Home, store: Store) -> None:
    body = json.dumps({"requests": 7, "stored": 6, "dropped": 1, "restarts": 0, "waiting": 2}).encode()
    with Captures(home.captures) as captures:
        odd = Counted(day_of(time.time()), 'a"b\\c\nd', "abc", 9, {"cut": 2})
        captures.take("1", odd, of(1, answer=HIDDEN, turns=[{"role": "user", "content": HIDDEN}]))
        captures.leave_out("a model that is not to be recorded")
    with scripted(lambda _: [b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body), body]) as server:
        home.config_file.write_text(
            f'[capture]\nport = {server.port}\n[models.news]\nbase = "b"\nbase_digest = "sha256:00"\n'
        )
        lines = exposition(home).splitlines()
    samples = [line for line in lines if not line.startswith("# ")]
    assert all(SAMPLE.fullmatch(line) for line in samples)
    assert {
        "adapterd_capture_up 1", "adapterd_capture_requests_total 7", "adapterd_capture_dropped_total 1",
        "adapterd_capture_waiting 2", "adapterd_capture_records 1", 'adapterd_feedback_records{model="news"} 0',
        r'adapterd_capture_faults_total{model="a\"b\\c\nd",digest="abc",fault="cut"} 2',
        r'adapterd_capture_answers_total{model="a\"b\\c\nd",digest="abc"} 9',
        'adapterd_capture_left_out_total{reason="a model that is not to be recorded"} 1',
    } <= set(samples)  # fmt: skip
    assert HIDDEN not in "".join(lines)


def test_each_family_is_there_once_with_its_type(home: Home, store: Store) -> None:
    home.config_file.write_text(f"[capture]\nport = {free_port()}\n")
    lines = exposition(home).splitlines()
    types = [line.split()[2] for line in lines if line.startswith("# TYPE ")]
    assert len(types) == len(set(types))
    assert {line.partition("{")[0].split()[0] for line in lines if not line.startswith("#")} == set(types)
    assert "adapterd_capture_up 0" in lines


def test_what_cannot_be_read_is_said_and_the_rest_is_there(home: Home, store: Store) -> None:
    home.config_file.write_text("[models\nno TOML")
    home.captures.write_bytes(b"no database at all" * 300)
    lines = exposition(home).splitlines()
    assert {"adapterd_configuration_up 0", "adapterd_capture_records_up 0"} <= set(lines)
    assert any(line.startswith("adapterd_build_info{") for line in lines)


def test_a_family_without_values_is_not_written(tmp_path: Path) -> None:
    page = Exposition()
    page.add("nothing", "gauge", "Nothing.", [])
    assert page.lines == []
