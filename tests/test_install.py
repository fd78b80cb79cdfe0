"""What `pip install` finds here: requirements.txt, read from any folder, on any Python."""
import importlib.util
import json
import subprocess
import sys

import pytest
from conftest import ROOT

from fkp import run

FOLDER = ROOT / "theano-1.0.5"
spec = importlib.util.spec_from_file_location("build_theano", FOLDER / "build_theano.py")
build_theano = importlib.util.module_from_spec(spec)
spec.loader.exec_module(build_theano)


def test_the_file_that_pip_finds_holds_the_sources_beside_it(tmp_path):
    name = build_theano.build_sdist(tmp_path)
    assert (FOLDER / name).read_bytes() == (tmp_path / name).read_bytes(), "python theano-1.0.5/build_theano.py"


def test_the_inner_pip_hears_nothing_of_the_outer_one_s_backend(tmp_path, monkeypatch):
    for name in ("_PYPROJECT_HOOKS_BUILD_BACKEND", "_PYPROJECT_HOOKS_BACKEND_PATH_JSON", "PEP517_BACKEND_PATH"):
        monkeypatch.setenv(name, "build_theano")
    monkeypatch.setenv("PIP_INDEX_URL", "the user's")
    asked = {}
    monkeypatch.setattr(subprocess, "run", lambda command, check, env: asked.update(env))
    build_theano._pip(tmp_path, "wheel", "folder", DIST_EXTRA_CONFIG="label.cfg")
    assert not [name for name in asked if "PYPROJECT" in name or "PEP517" in name]
    assert asked["PIP_INDEX_URL"] == "the user's" and asked["PYTHONPATH"].startswith(str(tmp_path))


@pytest.mark.slow
def test_pip_started_in_another_folder_takes_theano_from_here(tmp_path):
    """With an empty cache: there a wheel of Theano, once built, would hide a build that fails."""
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed", "--no-deps",
                    "--no-cache-dir", "--report", "report.json", "-r", str(ROOT / "requirements.txt")],
                   cwd=tmp_path, check=True)
    found = {item["metadata"]["name"].lower(): item
             for item in json.loads((tmp_path / "report.json").read_text())["install"]}
    assert found["theano"]["metadata"]["version"] == "1.0.5" + build_theano.LABEL
    assert found["theano"]["download_info"]["url"].startswith(FOLDER.as_uri())
    assert {"lasagne", "nolearn", "numpy"} < set(found)


def test_a_run_is_the_same_whoever_built_its_theano(monkeypatch):
    monkeypatch.setattr(run, "version", lambda name: "1.0.5" + build_theano.LABEL)
    assert run.versions()["Theano"] == "1.0.5"
