"""What a server spends, of itself and of what it started."""

import sys

from adapterd.system.host.server_time import Spent, spent_by_server
from adapterd.system.host.sleep import asleep_s


def test_what_runs_what_is_new_and_what_ended_in_between_counts() -> None:
    before = Spent({1: 10.0}, ended_s=3.0)
    assert Spent({1: 11.0}, 3.0).since(before) == 1.0
    assert Spent({1: 10.0, 2: 4.0}, 3.0).since(before) == 4.0
    assert Spent({1: 10.0}, 8.0).since(before) == 5.0


def test_a_child_that_ended_counts_with_what_it_spent_since() -> None:
    before = Spent({1: 10.0, 2: 50.0}, ended_s=0.0)
    assert Spent({1: 10.0}, 50.5).since(before) == 0.5
    assert Spent({1: 10.0}, 0.0).since(before) == 0.0, "a system that does not tell of ended children"


def test_a_server_that_was_started_anew_counts_from_its_start() -> None:
    assert Spent({9: 0.2}).since(Spent({1: 10.0}, 500.0)) == 0.2


def test_a_server_that_is_not_there_is_not_known() -> None:
    for address in ("http://127.0.0.1:1", "localhost:1", "http://192.0.2.7:11434", "http://no-such-host.invalid"):
        assert spent_by_server(address, "a-program-of-no-such-name") is None


def test_the_sleep_of_this_machine_can_be_asked_for() -> None:
    assert asleep_s() > -1.0, sys.platform
