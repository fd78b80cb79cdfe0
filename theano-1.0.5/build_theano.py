"""Build backend: the wheel of Theano 1.0.5 from the package index, made by its own setup.py."""
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

# Dropped by Python 3.12; asked for by versioneer.py, which Theano's setup.py imports.
RESTORE = """
import configparser
configparser.SafeConfigParser = configparser.RawConfigParser
configparser.RawConfigParser.readfp = configparser.RawConfigParser.read_file
"""


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    for wheel in Path(metadata_directory).parent.glob("*.whl") if metadata_directory else []:
        return shutil.copy(wheel, wheel_directory) and wheel.name  # built for its metadata a moment ago
    return _build(wheel_directory)


def prepare_metadata_for_build_wheel(metadata_directory, config_settings=None):
    with zipfile.ZipFile(Path(metadata_directory) / _build(metadata_directory)) as wheel:
        inside = [name for name in wheel.namelist() if ".dist-info/" in name]
        wheel.extractall(metadata_directory, inside)
    return inside[0].partition("/")[0]


def _build(folder):
    """Name of the wheel that pip makes in `folder`."""
    with tempfile.TemporaryDirectory() as restore:
        Path(restore, "sitecustomize.py").write_text(RESTORE)  # run by every Python that pip starts
        path = os.pathsep.join([restore, *filter(None, sys.path)])  # pip's own isolation is a sitecustomize as well
        subprocess.run([sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder,
                        "Theano==1.0.5"], check=True, env={**os.environ, "PYTHONPATH": path})
    return next(Path(folder).glob("*.whl")).name
