"""What tests with a real Ollama share."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CANNOT_BE_HAD = 3
"""The status of `scripts/ensure-ollama` where there is none and none can be built."""
OLLAMA = pytest.param("ollama", marks=pytest.mark.ollama)
