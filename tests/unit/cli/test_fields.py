"""Labelled values under one another."""

import pytest

from adapterctl.output import Break, fields


@pytest.mark.parametrize("label", ["a", "a much longer label"])
def test_further_lines_of_a_value_stand_below_it(label: str, capsys: pytest.CaptureFixture[str]) -> None:
    fields([("live", ["1.0.0", Break(), "what to do"]), (label, "x")])
    first, second, _ = capsys.readouterr().out.splitlines()
    assert second.index("what to do") == first.index("1.0.0")
    assert second.strip() == "what to do"
