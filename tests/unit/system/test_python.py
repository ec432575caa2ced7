"""How other interpreters of ours are started, and that all of them are started in this way."""

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapterd.system.python import module_command, safe_environment, worker_environment

ROOT = Path(__file__).parents[3]
PRODUCT = [*(ROOT / "daemon").rglob("*.py"), *(ROOT / "cli").rglob("*.py"), *(ROOT / "scripts").glob("*.py")]
SHELL = [file for file in (ROOT / "scripts").iterdir() if file.suffix in ("", ".sh") and file.is_file()]
STARTS = re.compile(r'(?:"\$\{?(?:PYTHON|python|candidate)\}?"|\$VENV/bin/python"|\bpython3?)((?: -\w+)* -(?:m|c)) ')


def starts_in_shell() -> Iterator[tuple[str, str]]:
    for file in SHELL:
        for line in file.read_text().splitlines():
            code = line.split(" # ")[0]
            if not code.lstrip().startswith("#"):
                yield from ((f"{file.name}: {code.strip()}", found) for found in STARTS.findall(code))


def test_the_command_is_isolated() -> None:
    assert module_command("adapterd", "--service") == [sys.executable, "-P", "-m", "adapterd", "--service"]


def test_the_interpreter_is_named_in_one_place_only() -> None:
    """`sys.executable` is the start of every interpreter of ours; beside it, it only tells where mlx.launch lies."""
    found = {
        file.relative_to(ROOT).as_posix()
        for file in PRODUCT
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Attribute) and ast.unparse(node) == "sys.executable"
    }
    assert found == {"daemon/adapterd/system/python.py", "daemon/adapterd/training/distributed/launch.py"}


def test_no_command_runs_a_module_of_its_own_accord() -> None:
    found = {
        file.relative_to(ROOT).as_posix()
        for file in PRODUCT
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.List | ast.Tuple)
        and any(isinstance(each, ast.Constant) and each.value in ("-m", "-c") for each in node.elts)
    }
    assert found == {"daemon/adapterd/system/python.py"}


def test_scripts_start_isolated_interpreters() -> None:
    found = list(starts_in_shell())
    assert len(found) >= 6, "the pattern no longer finds what the scripts start"
    assert [line for line, options in found if " -I" not in options] == []


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("", None), (":", None), (".", None), ("src:lib", None), ("/a:/b", "/a:/b"), (":/a", "/a"), ("/a:", "/a"),
        ("/a::/b", "/a:/b"), ("/a:../b:/c", "/a:/c"),
    ],
)  # fmt: skip
def test_of_the_path_only_what_is_absolute_stays(given: str, kept: str | None) -> None:
    assert safe_environment({"PYTHONPATH": given}).get("PYTHONPATH") == kept


@pytest.mark.parametrize("name", ["PYTHONSTARTUP", "PYTHONINSPECT", "PYTHONBREAKPOINT"])
def test_nothing_more_is_run_than_was_asked_for(name: str) -> None:
    assert name not in safe_environment({name: "/somewhere/x.py"})


@pytest.mark.parametrize("name", ["PYTHONHOME", "PYTHONUSERBASE", "PYTHONPYCACHEPREFIX"])
def test_a_place_that_is_relative_is_not_handed_on(name: str) -> None:
    assert safe_environment({name: "here"}) == {"PYTHONSAFEPATH": "1"}
    assert safe_environment({name: "/there"})[name] == "/there"


def test_everything_else_stays() -> None:
    given = {"LANG": "C", "PYTHONUTF8": "1", "OLLAMA_HOST": "x"}
    assert safe_environment(given) == {**given, "PYTHONSAFEPATH": "1"}


def test_without_one_the_own_environment_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOMETHING", "of ours")
    monkeypatch.setenv("PYTHONPATH", "here")
    found = safe_environment()
    assert (found["SOMETHING"], "PYTHONPATH" in found) == ("of ours", False)


def test_an_installation_that_is_found_by_an_absolute_path_is_found(tmp_path: Path) -> None:
    (tmp_path / "somebodys_package.py").write_text("print('found')")
    environment = safe_environment({**os.environ, "PYTHONPATH": str(tmp_path)})
    done = subprocess.run(
        module_command("somebodys_package"), env=environment, cwd="/", capture_output=True, text=True, check=True
    )
    assert done.stdout == "found\n"


SECRETS = {
    "OPENAI_API_KEY": "sk-1", "HF_TOKEN": "hf_1", "AWS_SECRET_ACCESS_KEY": "x", "GITHUB_TOKEN": "x", "PGPASSWORD": "x",
    "SSH_AUTH_SOCK": "/tmp/x", "DYLD_INSERT_LIBRARIES": "/x.dylib", "LD_PRELOAD": "/x.so", "LD_LIBRARY_PATH": "here",
    "PYTHONSTARTUP": "/x.py", "PYTHONPATH": "here", "HOMEBREW_TOKEN": "x", "PATHS": "x", "ADAPTERDX": "x",
}  # fmt: skip
NEEDED = {
    "PATH": "/usr/bin", "HOME": "/home/ada", "LANG": "de_DE.UTF-8", "LC_ALL": "C", "TMPDIR": "/tmp",
    "TZ": "Asia/Kolkata", "ADAPTERD_HOME": "/h", "CUDA_HOME": "/opt/cuda", "OLLAMA_MODELS": "/m",
    "OMP_NUM_THREADS": "2", "MKL_CBWR": "AUTO", "XDG_DATA_HOME": "/d", "PYTHONPATH": "/site",
    "LD_LIBRARY_PATH": "/opt/lib",
}  # fmt: skip
PROXIES = {
    "OLLAMA_HOST": "http://ada:pw@far:1", "HTTPS_PROXY": "http://p", "no_proxy": "localhost", "SSL_CERT_FILE": "/c.pem",
}  # fmt: skip


def test_a_worker_gets_what_it_needs_and_nothing_else() -> None:
    assert worker_environment({**SECRETS, **PROXIES}) == {**PROXIES, "PYTHONSAFEPATH": "1"}
    assert worker_environment({**SECRETS, **NEEDED}) == {**NEEDED, "PYTHONSAFEPATH": "1"}


def test_a_worker_that_asks_nobody_gets_no_proxy() -> None:
    assert worker_environment({**NEEDED, **PROXIES}, network=False) == {**NEEDED, "PYTHONSAFEPATH": "1"}


def test_more_can_be_asked_for_by_name() -> None:
    assert worker_environment(SECRETS, more=["SSH_AUTH_SOCK"]) == {"SSH_AUTH_SOCK": "/tmp/x", "PYTHONSAFEPATH": "1"}
