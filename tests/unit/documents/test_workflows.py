"""The workflows by their form: what they run and on which machines, and what actionlint says where it is installed.

Whether they succeed only shows where they are run.
"""

import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.documents import ROOT

FOLDER = ROOT / ".github" / "workflows"
WORKFLOWS = sorted(FOLDER.glob("*.yml"))
ISSUE_TEMPLATES = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def workflow(name: str) -> dict[str, Any]:
    loaded = yaml.safe_load((FOLDER / f"{name}.yml").read_text(encoding="utf-8"))
    assert isinstance(loaded, dict)
    return loaded


def commands(job: dict[str, Any]) -> list[str]:
    return [step["run"] for step in job["steps"] if "run" in step]


@pytest.mark.skipif(not shutil.which("actionlint"), reason="actionlint is not on this machine")
def test_actionlint_finds_no_fault() -> None:
    done = subprocess.run(["actionlint", *WORKFLOWS], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("", 0)


def test_linux_runs_every_python_that_the_package_names() -> None:
    named = [classifier.rpartition(" ")[2] for classifier in PROJECT["classifiers"] if "Python :: 3." in classifier]
    assert workflow("check")["jobs"]["linux"]["strategy"]["matrix"]["python"] == named
    assert PROJECT["requires-python"] == f">={named[0]}"


def test_linux_sets_up_and_checks() -> None:
    assert commands(workflow("check")["jobs"]["linux"]) == ["make setup", "make check"]


def test_macos_sets_up_checks_and_shows_the_demo_on_apple_silicon() -> None:
    job = workflow("check")["jobs"]["macos"]
    assert commands(job) == ["make setup", "make check", "make demo"]
    assert job["runs-on"] in {"macos-14", "macos-15"}, "with -intel or -large it would be no Apple silicon"


def test_only_the_publishing_job_may_ask_for_an_identity() -> None:
    jobs = workflow("release")["jobs"]
    assert [name for name, job in jobs.items() if "id-token" in job.get("permissions", {})] == ["publish"]
    assert "pypa/gh-action-pypi-publish" in jobs["publish"]["steps"][-1]["uses"]
    assert jobs["publish"]["needs"] == "build"


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_workflow_reads_only_and_every_job_has_a_limit(path: Path) -> None:
    read = workflow(path.stem)
    assert read["permissions"] == {"contents": "read"}
    assert [name for name, job in read["jobs"].items() if "timeout-minutes" not in job] == []


@pytest.mark.parametrize(
    "path", sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml")), ids=lambda path: path.stem
)
def test_issue_template_is_well_formed(path: Path) -> None:
    form = yaml.safe_load(path.read_text(encoding="utf-8"))
    if path.stem == "config":
        assert isinstance(form["blank_issues_enabled"], bool)
        return
    assert {"name", "description", "body"} <= form.keys()
    fields = [field for field in form["body"] if field["type"] != "markdown"]
    assert len({field["id"] for field in fields}) == len(fields)
    assert all(field["attributes"]["label"] for field in fields)


def test_hooks_call_targets_of_the_makefile() -> None:
    [repo] = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"]
    entries = [hook["entry"] for hook in repo["hooks"]]
    assert entries
    assert all(entry.startswith("make ") for entry in entries)
