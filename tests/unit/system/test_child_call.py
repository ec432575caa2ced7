"""A function in a process of its own: what it gives and raises comes back, and nothing of the current folder runs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from adapterd.errors import InputError, WorkerLostError
from adapterd.system.child import call as child

PROGRAM = """
from adapterd.system.child import call as child
if __name__ == "__main__":
    print(child.call(len, "four"))
"""


def refuse(name: str) -> None:
    raise InputError(f"{name} cannot be used", hint="give another")


def die(status: int) -> None:
    os._exit(status)


def test_results_and_errors_of_a_function_come_back() -> None:
    assert child.call(len, "four") == 4
    with pytest.raises(InputError, match="x cannot be used") as caught:
        child.call(refuse, "x")
    assert caught.value.hint == "give another"


def test_a_process_that_dies_is_an_error_that_may_pass() -> None:
    with pytest.raises(WorkerLostError, match="while it did die") as caught:
        child.call(die, 3)
    assert caught.value.transient


@pytest.mark.parametrize("module", ["multiprocessing", "concurrent", "json"])
def test_no_module_of_the_current_folder_runs_in_the_process(tmp_path: Path, module: str) -> None:
    (program := tmp_path / "program" / "main.py").parent.mkdir()
    program.write_text(PROGRAM)
    (poisoned := tmp_path / "downloads").mkdir()
    (poisoned / f"{module}.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nraise SystemExit(7)")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONSAFEPATH"}
    done = subprocess.run(
        [sys.executable, str(program)], cwd=poisoned, env=environment, capture_output=True, text=True, check=False
    )
    assert (done.stdout.strip(), done.returncode) == ("4", 0), done.stderr
    assert not (tmp_path / "ran").exists()


def test_the_notes_of_a_run_load_nothing_heavy() -> None:
    """The daemon tells them, and it does without numpy and llama.cpp (law 8)."""
    program = (
        "import sys\nfrom adapterd.runs.pipeline import notes_of\n"
        "notes = notes_of({'dataset': {'notes': ['n']}, 'evaluation': {'left_out': "
        "[{'record': 'r', 'source_id': None, 'reason': 'x'}]}})\n"
        "print(len(notes), *({'numpy', 'llama_cpp', 'mlx', 'gguf', 'scipy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["2"]
