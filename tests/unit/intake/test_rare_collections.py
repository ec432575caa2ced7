"""The garbage collector looks as often as before when a reading has ended, however it ended."""

import gc

import pytest

from adapterd.intake.rare_collections import rare_collections


def test_the_thresholds_are_as_before_afterwards() -> None:
    before = gc.get_threshold()
    with rare_collections():
        during = gc.get_threshold()
    assert during[0] > before[0]
    assert during[1:] == before[1:]
    assert gc.get_threshold() == before


def test_the_thresholds_are_as_before_after_a_failure() -> None:
    before = gc.get_threshold()
    with pytest.raises(OSError, match="full"), rare_collections():
        raise OSError("the disk is full")
    assert gc.get_threshold() == before
