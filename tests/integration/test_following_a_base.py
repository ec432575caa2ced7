"""The daemon follows a base that was pulled anew, and stays light all the same (law 8)."""

import subprocess
import sys
from pathlib import Path

from adapterd import config
from adapterd.home import Home

HEAVY = {"numpy", "gguf", "mlx", "llama_cpp"}
FOLLOW = """
import sys
from pathlib import Path

sys.path.insert(0, sys.argv[1])
from tests.support.fakes import FakeRuntime

from adapterd import config
from adapterd.base.modelfile import Modelfile
from adapterd.home import Home
from adapterd.deployment.base_drift import repin
from adapterd.store import Store

runtime, home = FakeRuntime(), Home(Path(sys.argv[2]))
runtime.made["tiny:1"] = (sys.argv[3], Modelfile())
with Store(home.database) as store:
    print(repin(store, home, runtime, "m", config.load(home).models["m"]))
print(*sys.modules)
"""


def follow(home: Home, gguf: Path) -> tuple[str, set[str]]:
    """What was pinned, and what a process has loaded that did it."""
    home.config_file.write_text('[models.m]\nbase = "tiny:1"\nbase_digest = "old"\n')
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", FOLLOW, root, home.root, gguf], capture_output=True, text=True, check=True
    )
    digest, loaded = done.stdout.splitlines()
    return digest, set(loaded.split())


def test_a_new_base_is_pinned_without_loading_anything_heavy(tmp_path: Path, smollm2_path: Path) -> None:
    home = Home(tmp_path)
    digest, loaded = follow(home, smollm2_path)
    assert config.load(home).models["m"].base_digest == digest
    assert not loaded & HEAVY
