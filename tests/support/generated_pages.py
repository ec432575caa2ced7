"""Whether a page that a script writes is as the script would write it now."""

import os
import subprocess
import sys

from tests.support.real_ollama import ROOT


def is_up_to_date(script: str) -> bool:
    """Run the script's check as a person does, whose Python finds modules beside a script; other tests may have changed
    that for their children."""
    plain = {name: value for name, value in os.environ.items() if name != "PYTHONSAFEPATH"}
    return (
        subprocess.run([sys.executable, ROOT / "scripts" / script, "--check"], check=False, env=plain).returncode == 0
    )
