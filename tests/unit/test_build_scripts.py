"""The scripts that compile: no more compilers at once than there are cores, and isolated interpreters."""

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
SCRIPTS = [
    ROOT / "Makefile",
    *(file for file in (ROOT / "scripts").iterdir() if file.suffix in ("", ".sh") and file.is_file()),
]
FAKE = r"""#!/bin/sh
name="$(basename "$0")"
checksum() { sed -n "s/^ *$1) CHECKSUM=.\(.*\). ;;/\1/p" "$SCRIPT"; }
echo "$name $* [$CMAKE_BUILD_PARALLEL_LEVEL|$GOMAXPROCS|$GOFLAGS]" >>"$TOLD"
case "$name $*" in
    nproc*) echo 3 ;;
    *"--build"*) shift; mkdir -p "$1/bin"; cd "$1/bin"; touch llama-server llama-quantize llama-imatrix \
        libllama.so libggml.so libggml-base.so libggml-cpu.so libmtmd.so libllama-common.so ;;
    "go mod download"*) printf '{\n\t"Dir": "%s",\n\t"Sum": "%s"\n}\n' "$HOME" "${SUM:-$(checksum "${4##*@v}")}" ;;
    "go list"*) printf 'fmt\nos\nexample.org/one\nexample.org/two\n' ;;
    "go build"*) echo fmt; echo "go: a remark"; echo os; mkdir -p "$(dirname "$6")"; touch "$6"; chmod +x "$6" ;;
    python*"-m venv "*) for folder; do :; done; mkdir -p "$folder/bin"; cp "$0" "$folder/bin/python" ;;
    python*"-c import sys, platform"*) echo cp311-fake ;;
    python*"--requirement "*) for list; do :; done; sed 's/^/  given: /' "$list" >>"$TOLD" ;;
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
def test_ollama_build_starts_no_more_compilers_than_cores(tmp_path: Path, version: str) -> None:
    source_archive(tmp_path)
    done = bash(tmp_path, f"scripts/ensure-ollama {version}")
    assert done.returncode == 0, done.stderr
    started = told(tmp_path)
    (go,) = (line for line in started if line.startswith("go build "))
    assert go.startswith("go build -v -p 3 -o ")
    assert go.endswith("[3|3|-p=3]")
    builds = [line for line in started if "--build" in line]
    assert all("--target llama-server llama-quantize --parallel 3 [3|" in line for line in builds)
    assert len(builds) == (1 if version == "0.34.2" else 0)


@pytest.mark.skipif(os.uname().sysname != "Linux", reason="only there Ollama is built")
def test_llama_server_lies_beside_its_libraries(tmp_path: Path) -> None:
    source_archive(tmp_path)
    done = bash(tmp_path, "scripts/ensure-ollama 0.34.2")
    assert done.stdout == f"{tmp_path}/cache/ollama-0.34.2/bin/ollama\n"
    beside = {file.name for file in (tmp_path / "cache/ollama-0.34.2/lib/ollama").iterdir()}
    assert beside >= {"llama-server", "llama-quantize", "libllama.so", "libllama-common.so", "libggml-cpu.so"}


@pytest.mark.skipif(os.uname().sysname != "Linux", reason="only there Ollama is built")
def test_go_packages_are_counted(tmp_path: Path) -> None:
    source_archive(tmp_path)
    done = bash(tmp_path, "scripts/ensure-ollama 0.24.0")
    assert "Building ollama 0.24.0" in done.stderr
    log = (tmp_path / "cache/logs/ollama-0.24.0.log").read_text().splitlines()
    assert log == ["[1/4] fmt", "go: a remark", "[2/4] os"]
    assert "   25 %\n   50 %\n" in done.stderr


@pytest.mark.skipif(os.uname().sysname != "Linux", reason="only there llama.cpp's tree is shared")
def test_llama_cpp_is_built_in_one_tree(tmp_path: Path) -> None:
    source_archive(tmp_path)
    done = bash(
        tmp_path, "scripts/setup; scripts/ensure-ollama 0.34.2; scripts/ensure-llama-tools", folder=checkout(tmp_path)
    )
    assert done.returncode == 0, done.stderr
    trees = {line.split()[2] for line in told(tmp_path) if line.startswith("cmake --build")}
    assert trees == {f"{tmp_path}/cache/llama.cpp-{llama_cpp_python_version()}-shared"}
    assert done.stdout.splitlines()[-1] == f"{trees.pop()}/bin"


def test_tools_of_an_earlier_build_are_used(tmp_path: Path) -> None:
    earlier = tmp_path / f"cache/llama.cpp-{llama_cpp_python_version()}/bin"
    earlier.mkdir(parents=True)
    for name in ("llama-quantize", "llama-imatrix"):
        (earlier / name).touch(mode=0o755)
    assert bash(tmp_path, "scripts/ensure-llama-tools --built").stdout == f"{earlier}\n"


def test_wheel_of_an_earlier_build_is_used(tmp_path: Path) -> None:
    wheels = tmp_path / "cache/wheels/cp311-fake"
    wheels.mkdir(parents=True)
    (wheels / f"llama_cpp_python-{llama_cpp_python_version()}-py3-none-any.whl").touch()
    done = bash(tmp_path, "scripts/setup", folder=checkout(tmp_path))
    assert done.returncode == 0, done.stderr
    assert not [line for line in told(tmp_path) if "--build" in line or " pip wheel " in line]


@pytest.mark.skipif(os.uname().sysname != "Linux", reason="elsewhere pip builds the wheel from the source archive")
def test_set_up_builds_one_wheel_while_it_installs_the_rest(tmp_path: Path) -> None:
    source = source_archive(tmp_path)
    done = bash(tmp_path, "scripts/setup", folder=checkout(tmp_path))
    assert done.returncode == 0, done.stderr
    started = [line for line in told(tmp_path) if line.startswith("python")]
    assert all(line.split()[1] == "-I" for line in started if " -m " in line or " -c " in line)
    (build,) = (line for line in told(tmp_path) if "--build" in line)
    assert "--target llama ggml mtmd --parallel 3 [3|" in build
    (wheel,) = (line for line in started if " pip wheel " in line)
    assert f"--wheel-dir {tmp_path}/cache/wheels/cp311-fake {source} [3|3|-p=3]" in wheel
    assert {file.name for file in (source / "llama_cpp/lib").iterdir()} == {
        "libllama.so", "libggml.so", "libggml-base.so", "libggml-cpu.so", "libmtmd.so",
    }  # fmt: skip
    installs = [line for line in started if " pip install " in line]
    assert "--no-deps --no-build-isolation --editable . [" in installs[-1]
    assert all("--require-hashes" in line or "--no-deps" in line for line in installs)
    given = [line.removeprefix("  given: ") for line in told(tmp_path) if line.startswith("  given: ")]
    assert {"click", "mkl", "scikit-build-core"} <= {line.split("==")[0] for line in given if "==" in line}
    assert not any(line.startswith("llama-cpp-python==") for line in given)


@pytest.mark.skipif(os.uname().sysname != "Linux", reason="only there Ollama is built")
def test_another_source_of_ollama_is_not_built(tmp_path: Path) -> None:
    source_archive(tmp_path)
    done = bash(tmp_path, "scripts/ensure-ollama 0.24.0", SUM="h1:forged")
    assert done.returncode == 3
    assert "ollama 0.24.0 has the checksum h1:forged instead of h1:" in done.stderr
    assert not [line for line in told(tmp_path) if line.startswith("go build ")]


@pytest.mark.parametrize("file", ["requirements.txt", "scripts/tools.txt"])
def test_every_locked_package_has_hashes(file: str) -> None:
    blocks = re.findall(r"^[a-z0-9](?:.*\\\n)*.*", (ROOT / file).read_text(), re.MULTILINE)
    assert len(blocks) > 30
    assert not [block for block in blocks if "--hash=sha256:" not in block or "==" not in block.split()[0]]


def test_every_dependency_is_locked_within_its_bounds() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extras = project["project"]["optional-dependencies"]
    for file, needed in {
        "requirements.txt": [*project["project"]["dependencies"], *extras["demo"], *extras["dev"], *extras["linux"]],
        "scripts/tools.txt": project["dependency-groups"]["tools"],
    }.items():
        locked = dict(re.findall(r"^([a-z0-9-]+)==(\S+)", (ROOT / file).read_text(), re.MULTILINE))
        for requirement in map(Requirement, needed):
            assert requirement.specifier.contains(locked[canonicalize_name(requirement.name)]), requirement


def test_source_of_llama_cpp_is_fetched_by_its_hash(tmp_path: Path) -> None:
    bash(tmp_path, ". scripts/common.sh; llama_cpp_python_source || true")
    fetched = [line for line in told(tmp_path) if " pip download " in line]
    assert len(fetched) == 1
    assert "--require-hashes" in fetched[0]
    assert f"  given: llama-cpp-python=={llama_cpp_python_version()} \\" in told(tmp_path)
    assert any("--hash=sha256:" in line for line in told(tmp_path))


HOLES = {
    "filelock": ["3.20.2"], "h11": ["0.14.0", "0.15.0"], "jinja2": ["3.1.4", "3.1.5"], "orjson": ["3.11.5"],
    "setuptools": ["78.1.0"],
}  # fmt: skip
"""The last releases with a known hole, of packages that meet what comes from elsewhere (decision 22)."""


@pytest.mark.parametrize("name", HOLES)
def test_releases_with_known_holes_are_installed_by_nobody(name: str) -> None:
    """Also where packages are not installed by the lock file, as by `pip install .`."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    bounds = [
        requirement.specifier
        for requirement in map(Requirement, [*project["project"]["dependencies"], *project["build-system"]["requires"]])
        if canonicalize_name(requirement.name) == name
    ]
    assert bounds
    assert not [release for release in HOLES[name] for bound in bounds if bound.contains(release)]


def test_packages_are_chosen_from_a_lock_file(tmp_path: Path) -> None:
    lock = tmp_path / "lock.txt"
    lock.write_text("# by a program\nclick==8 \\\n    --hash=sha256:aa\nclick-extra==1 \\\n    --hash=sha256:bb\n")
    one = bash(tmp_path, f". scripts/common.sh; locked '{lock}' click").stdout
    assert one == "click==8 \\\n    --hash=sha256:aa\n"
    rest = bash(tmp_path, f". scripts/common.sh; locked '{lock}' --except click").stdout
    assert rest == "click-extra==1 \\\n    --hash=sha256:bb\n"


def checkout(folder: Path) -> Path:
    """A checkout with what the scripts read."""
    made = folder / "checkout"
    shutil.copytree(ROOT / "scripts", made / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("requirements.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, made)
    return made


def llama_cpp_python_version() -> str:
    found = re.search(r"^llama-cpp-python==(\S+)", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    assert found
    return found[1]


def source_archive(folder: Path) -> Path:
    """The folder that llama-cpp-python's source archive unpacks to."""
    made = folder / f"cache/src/llama_cpp_python-{llama_cpp_python_version()}"
    (made / "vendor/llama.cpp").mkdir(parents=True)
    return made


def programs(folder: Path) -> Path:
    """Programs that note how they are started, and make what a build would leave."""
    made = folder / "programs"
    if not made.exists():
        made.mkdir()
        for name in ("cmake", "ninja", "go", "c++", "python3", "nproc"):
            (made / name).write_text(FAKE)
            (made / name).chmod(0o755)
    return made


def told(folder: Path) -> list[str]:
    return (folder / "told").read_text().splitlines()


def bash(scratch: Path, code: str, *, folder: Path = ROOT, **variables: str) -> "subprocess.CompletedProcess[str]":
    environment = {
        "PATH": f"{programs(scratch)}:/usr/bin:/bin", "TOLD": str(scratch / "told"), "HOME": str(scratch),
        "SCRIPT": str(ROOT / "scripts/ensure-ollama"),
        "ADAPTERD_BUILD_CACHE": str(scratch / "cache"), "PYTHON": str(programs(scratch) / "python3"), **variables,
    }  # fmt: skip
    return subprocess.run(
        ["bash", "-c", f"set -euo pipefail; ROOT='{folder}'; {code}"],
        cwd=folder, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
