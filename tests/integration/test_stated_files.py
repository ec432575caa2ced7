"""Feedback files of many tools, through the real intake: each teaches what is stated by hand, no more and no less."""

import pytest
from bench.feedback_files import StatedFile, stated_files
from bench.feedback_formats import faults_of


@pytest.mark.parametrize("file", stated_files(), ids=lambda file: file.name)
def test_a_file_teaches_what_is_stated(file: StatedFile) -> None:
    assert faults_of(file) == []
