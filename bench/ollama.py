"""The Ollama that benches ask."""

import subprocess
from pathlib import Path

SCRIPT = Path(__file__).parent.parent / "scripts" / "ensure-ollama"


def ollama_binary() -> Path:
    """A real `ollama`, built if there is none; raises CalledProcessError where that cannot be done."""
    done = subprocess.run([SCRIPT], check=True, capture_output=True, text=True)
    return Path(done.stdout.strip().splitlines()[-1])
