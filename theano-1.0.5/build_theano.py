"""Build backend: the released Theano 1.0.5 from the package index, made by its own setup.py on any Python.

`Theano-1.0.5+python3.tar.gz` beside this file holds this file and pyproject.toml, and nothing of Theano.
requirements.txt names this folder to pip (`--find-links`), and of all that is 1.0.5 installers take the one with a
label.
After a change here write it anew:

    python theano-1.0.5/build_theano.py
"""
import gzip
import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
LABEL = "+python3"
# The hash also keeps pip from taking the file of this folder, where PIP_FIND_LINKS or pip.conf name it.
RELEASED = "Theano==1.0.5 --hash=sha256:6e9439dd53ba995fcae27bf20626074bfc2fff446899dc5c53cb28c1f9202e89\n"
# Dropped by Python 3.12; asked for by versioneer.py, which Theano's setup.py imports.
RESTORE = """
import configparser
configparser.SafeConfigParser = configparser.RawConfigParser
configparser.RawConfigParser.readfp = configparser.RawConfigParser.read_file
"""


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    for wheel in Path(metadata_directory).parent.glob("*.whl") if metadata_directory else []:
        shutil.copy(wheel, wheel_directory)  # built for its metadata a moment ago
        return wheel.name
    return _build(wheel_directory)


def prepare_metadata_for_build_wheel(metadata_directory, config_settings=None):
    with zipfile.ZipFile(Path(metadata_directory) / _build(metadata_directory)) as wheel:
        inside = [name for name in wheel.namelist() if ".dist-info/" in name]
        wheel.extractall(metadata_directory, inside)
    return inside[0].partition("/")[0]


def build_sdist(sdist_directory, config_settings=None):
    """The same bytes from the same files, on every machine."""
    name = "Theano-1.0.5" + LABEL
    path = Path(sdist_directory) / (name + ".tar.gz")
    with open(path, "wb") as file, gzip.GzipFile("", "wb", fileobj=file, mtime=0) as packed, \
            tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for source in ("build_theano.py", "pyproject.toml"):
            content = (HERE / source).read_bytes()
            entry = tarfile.TarInfo("%s/%s" % (name, source))
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return path.name


def _build(folder):
    """Name of the wheel that pip makes in `folder`."""
    with tempfile.TemporaryDirectory() as scratch:
        scratch = Path(scratch)
        (scratch / "sitecustomize.py").write_text(RESTORE)  # run by every Python that pip starts
        (scratch / "released.txt").write_text(RELEASED)
        (scratch / "label.cfg").write_text("[egg_info]\ntag_build = %s\n" % LABEL)
        _pip(scratch, "download", "--no-binary", ":all:", "-r", scratch / "released.txt", "--dest", scratch)
        with tarfile.open(scratch / "Theano-1.0.5.tar.gz") as archive:
            archive.extractall(scratch)
        _pip(scratch, "wheel", "--wheel-dir", folder, scratch / "Theano-1.0.5",
             DIST_EXTRA_CONFIG=str(scratch / "label.cfg"))
    return next(Path(folder).glob("*.whl")).name


def _pip(scratch, command, *arguments, **environment):
    """Run a pip that knows nothing of the one that called this backend, and uses what that one has installed for it."""
    told = ("_PYPROJECT_HOOKS_", "PEP517_")
    outside = {name: value for name, value in os.environ.items() if not name.startswith(told)}
    path = os.pathsep.join([str(scratch), *filter(None, sys.path)])  # pip's own isolation is a sitecustomize as well
    subprocess.run([sys.executable, "-m", "pip", command, "--no-deps", "--no-build-isolation", *map(str, arguments)],
                   check=True, env={**outside, "PYTHONPATH": path, **environment})


if __name__ == "__main__":
    build_sdist(HERE)
