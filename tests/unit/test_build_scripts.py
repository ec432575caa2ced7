"""The scripts that compile: no more compilers at once than there are cores, and isolated interpreters."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = [ROOT / "Makefile", *(file for file in (ROOT / "scripts").iterdir() if file.suffix in ("", ".sh"))]
FAKE = r"""#!/bin/sh
name="$(basename "$0")"
echo "$name $* [$CMAKE_BUILD_PARALLEL_LEVEL|$GOMAXPROCS|$GOFLAGS]" >>"$TOLD"
case "$name $*" in
    nproc*) echo 3 ;;
    *"--build"*) shift; mkdir -p "$1/bin"; touch "$1/bin/llama-server" "$1/bin/llama-quantize" "$1/bin/llama-imatrix" ;;
    "go install"*) mkdir -p "$GOBIN"; touch "$GOBIN/ollama"; chmod +x "$GOBIN/ollama" ;;
    python*"-m venv "*) for folder; do :; done; mkdir -p "$folder/bin"; cp "$0" "$folder/bin/python" ;;
    python*"-c import sys, platform"*) echo cp311-fake ;;
esac
"""


def test_no_build_is_left_to_choose_how_many_compilers_it_starts() -> None:
    told = [
        f"{file.name}: {line.strip()}"
        for file in SCRIPTS
        for line in file.read_text().splitlines()
        if re.search(r"(^|\s)(--parallel|--jobs|-j)(?!\S*\d)(\s+(?![\"']?[$\d])|$)", line.split("#")[0])
    ]
    assert told == []


@pytest.mark.parametrize(
    ("files", "jobs"),
    [
        ({}, 3),
        ({"cpu.max": "max 100000"}, 3),
        ({"cpu.max": "200000 100000"}, 2),
        ({"cpu.max": "150000 100000"}, 1),
        ({"cpu.max": "5000 100000"}, 1),
        ({"cpu.max": "6400000 100000"}, 3),
        ({"a/b/cpu.max": "100000 100000", "cpu.max": "max 100000"}, 1),
        ({"a/b/cpu.max": "max 100000", "a/cpu.max": "200000 100000"}, 2),
        ({"cpu/cpu.cfs_quota_us": "200000", "cpu/cpu.cfs_period_us": "100000"}, 2),
        ({"cpu/a/b/cpu.cfs_quota_us": "100000", "cpu/a/b/cpu.cfs_period_us": "100000"}, 1),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, 3),
        ({"cpu.max": ""}, 3),
        ({"cpu.max": "nonsense"}, 3),
    ],
)
def test_as_many_as_the_quota_leaves(tmp_path: Path, files: dict[str, str], jobs: int) -> None:
    for name, text in files.items():
        (tmp_path / "groups" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "groups" / name).write_text(text + "\n")
    (tmp_path / "own").write_text("4:memory:/a\n3:cpu,cpuacct:/a/b\n0::/a/b\n")
    code = f". scripts/common.sh; build_jobs '{tmp_path}/own' '{tmp_path}/groups'"
    assert bash(tmp_path, code).stdout == f"{jobs}\n"


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="there is no affinity on this platform")
def test_the_affinity_counts(tmp_path: Path) -> None:
    one = min(os.sched_getaffinity(0))
    code = "import os, sys; os.sched_setaffinity(0, {int(sys.argv[1])}); os.execvp(sys.argv[2], sys.argv[2:])"
    shell = ["bash", "-c", f"ROOT='{ROOT}'; . scripts/common.sh; build_jobs /none"]
    done = subprocess.run(
        ["python3", "-c", code, str(one), *shell], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "1\n"


def test_a_number_that_was_given_counts(tmp_path: Path) -> None:
    assert bash(tmp_path, ". scripts/common.sh; echo $JOBS", ADAPTERD_BUILD_JOBS="7").stdout == "7\n"


@pytest.mark.parametrize("given", ["0", "many", "-2", "1.5"])
def test_a_number_that_is_none_is_refused(tmp_path: Path, given: str) -> None:
    done = bash(tmp_path, ". scripts/common.sh; echo built", ADAPTERD_BUILD_JOBS=given)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"error: ADAPTERD_BUILD_JOBS={given} is not a number from 1\n"


@pytest.mark.skipif(os.uname().sysname != "Linux", reason="only there Ollama is built")
@pytest.mark.parametrize("version", ["0.34.2", "0.24.0"])
def test_what_is_started_to_build_ollama(tmp_path: Path, version: str) -> None:
    source = re.search(r"^llama-cpp-python==(.+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    assert source
    (tmp_path / f"cache/src/llama_cpp_python-{source[1]}/vendor/llama.cpp").mkdir(parents=True)
    done = bash(tmp_path, f"scripts/ensure-ollama {version}")
    assert done.returncode == 0, done.stderr
    started = told(tmp_path)
    (go,) = (line for line in started if line.startswith("go "))
    assert go.startswith("go install -p 3 -ldflags ")
    assert go.endswith("[3|3|-p=3]")
    builds = [line for line in started if "--build" in line]
    assert all("--target llama-server llama-quantize --parallel 3 [3|" in line for line in builds)
    assert len(builds) == (1 if version == "0.34.2" else 0)


def test_what_is_started_to_set_up(tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    shutil.copytree(ROOT / "scripts", checkout / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("constraints.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, checkout)
    done = bash(tmp_path, "scripts/setup", folder=checkout, PYTHON=str(programs(tmp_path) / "python3"))
    assert done.returncode == 0, done.stderr
    started = [line for line in told(tmp_path) if line.startswith("python")]
    assert all(line.split()[1] == "-I" for line in started if " -m " in line or " -c " in line)
    (wheel,) = (line for line in started if " pip wheel " in line)
    assert "--no-binary llama-cpp-python" in wheel
    assert wheel.endswith("[3|3|-p=3]")
    assert any(" pip install " in line for line in started)


def programs(folder: Path) -> Path:
    """Programs that note how they are started, and make what a build would leave."""
    made = folder / "programs"
    if not made.exists():
        made.mkdir()
        for name in ("cmake", "go", "c++", "python3", "nproc"):
            (made / name).write_text(FAKE)
            (made / name).chmod(0o755)
    return made


def told(folder: Path) -> list[str]:
    return (folder / "told").read_text().splitlines()


def bash(scratch: Path, code: str, *, folder: Path = ROOT, **variables: str) -> "subprocess.CompletedProcess[str]":
    environment = {
        "PATH": f"{programs(scratch)}:/usr/bin:/bin", "TOLD": str(scratch / "told"), "HOME": str(scratch),
        "ADAPTERD_BUILD_CACHE": str(scratch / "cache"), "PYTHON": str(programs(scratch) / "python3"), **variables,
    }  # fmt: skip
    return subprocess.run(
        ["bash", "-c", f"set -euo pipefail; ROOT='{folder}'; {code}"],
        cwd=folder, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
