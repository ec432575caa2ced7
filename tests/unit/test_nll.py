"""The measurement of what the likelihood of references is worth as a control variate."""

import numpy as np
import pytest
from bench.nll import FEWEST, Differences, coefficients, effects, falsely_proven, variance_kept

RANDOM = np.random.default_rng(7)
CONTROL = 0.1 * RANDOM.standard_normal(400)
PRIMARY = 0.8 * CONTROL + 0.06 * RANDOM.standard_normal(400)
"""Correlated by 0.8."""


def test_a_coefficient_knows_the_cases_before_it_only() -> None:
    found = coefficients(PRIMARY, CONTROL)
    assert (found[:FEWEST] == 0).all()
    changed = PRIMARY.copy()
    changed[200:] = RANDOM.standard_normal(200)
    assert (coefficients(changed, CONTROL)[:201] == found[:201]).all()
    assert coefficients(changed, CONTROL)[250] != found[250]
    assert found[-1] == pytest.approx(np.polyfit(CONTROL[:-1], PRIMARY[:-1], 1)[0])


def test_what_is_kept_of_the_variance_is_what_the_correlation_leaves() -> None:
    found = variance_kept(PRIMARY, CONTROL)
    wanted = 1 - np.corrcoef(PRIMARY, CONTROL)[0, 1] ** 2
    assert found["variance_kept"] == pytest.approx(wanted, abs=1e-3)
    assert found["low"] < wanted < found["high"]
    assert found["predictable"] == pytest.approx(wanted, abs=0.05)
    assert variance_kept(PRIMARY, RANDOM.standard_normal(400))["variance_kept"] > 0.97


def test_a_gain_that_the_control_shares_is_taken_off_with_the_noise() -> None:
    found = effects(PRIMARY + 0.08, CONTROL + 0.1)
    assert found["primary"] == pytest.approx(0.8, abs=0.1)
    assert abs(found["taken_off"]) < 0.2


def test_a_control_whose_mean_is_not_known_proves_what_is_not_so() -> None:
    found = falsely_proven(Differences(PRIMARY, CONTROL, -CONTROL))
    assert found["without"] <= 0.05
    assert found["0"] <= 0.05
    assert found["-0.1"] > 0.5
