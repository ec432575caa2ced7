import sys
from pathlib import Path

import pytest

from adapterd.errors import ConfigError
from adapterd.system import blas


@pytest.fixture(autouse=True)
def linux(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "venv"))
    monkeypatch.setattr(blas, "_MULTIARCH", tmp_path / "usr")
    monkeypatch.delenv("LD_PRELOAD", raising=False)
    monkeypatch.delenv(blas.VARIABLE, raising=False)


def place(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def test_mkl_goes_before_openblas(tmp_path: Path) -> None:
    openblas = place(tmp_path / "usr/x86_64-linux-gnu/openblas-pthread/libblas.so.3")
    assert blas.preload_environment()["LD_PRELOAD"] == str(openblas)
    mkl = place(tmp_path / "venv/lib/libmkl_rt.so.3")
    assert blas.preload_environment()["LD_PRELOAD"] == str(mkl)


def test_libraries_that_were_preloaded_before_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mkl = place(tmp_path / "venv/lib/libmkl_rt.so.3")
    monkeypatch.setenv("LD_PRELOAD", "/lib/other.so")
    assert blas.preload_environment()["LD_PRELOAD"] == f"{mkl} /lib/other.so"


def test_the_environment_names_another_or_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place(tmp_path / "venv/lib/libmkl_rt.so.3")
    own = place(tmp_path / "own.so")
    monkeypatch.setenv(blas.VARIABLE, str(own))
    assert blas.preload_environment()["LD_PRELOAD"] == str(own)
    monkeypatch.setenv(blas.VARIABLE, "")
    assert blas.preload_environment() == {}
    monkeypatch.setenv(blas.VARIABLE, "/nowhere.so")
    with pytest.raises(ConfigError, match=r"ADAPTERD_BLAS is /nowhere\.so, which is not a file"):
        blas.preload_environment()


def test_a_path_that_the_linker_would_split_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "my venv"))
    place(tmp_path / "my venv/lib/libmkl_rt.so.3")
    assert blas.preload_environment() == {}


def test_a_mac_needs_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert blas.preload_environment() == {}
    assert "not needed" in blas.describe()


def test_a_machine_without_one_is_told(tmp_path: Path) -> None:
    assert "30 times slower" in blas.describe()
    mkl = place(tmp_path / "venv/lib/libmkl_rt.so.3")
    assert blas.describe() == str(mkl)
