"""The stages of a run as lines, where there is no terminal."""

import re

import pytest

from adapterctl.output import StageProgress


def test_a_stage_is_done_once_with_what_it_last_measured(capsys: pytest.CaptureFixture[str]) -> None:
    with StageProgress() as shown:
        shown("training", {"share": 0.0})
        shown("training", {"share": 0.3, "step": 3, "steps": 10})
        shown("training", {"share": 0.99, "step": 10, "steps": 10, "validation_loss": 0.5, "remaining_s": 1.0})
        shown("training", {"share": 0.99, "step": 10, "steps": 10, "doing": "asking the adapter of step 10"})
        shown("training", {"share": 1.0})
        shown("training", {"share": 1.0})
    lines = [re.sub(r"in \d+\.\d s", "in N s", line).split() for line in capsys.readouterr().err.splitlines()]
    assert [" ".join(line) for line in lines] == [
        "training 0%",
        "training 30% step 3 of 10",
        "training 99% step 10 of 10, val 0.500, 1 s left",
        "training done in N s step 10 of 10, val 0.500",
    ]


def test_what_was_kept_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    with StageProgress() as shown:
        shown("dataset", {"share": 1.0, "reused": True})
    assert capsys.readouterr().err.rstrip().endswith("kept from before")
