"""A package that is missing or does not import ends a script with one line, which says what to type."""
import os
import subprocess
import sys

import pytest
from conftest import ROOT

from fkp import packages


def run(folder, code):
    """Run `code` as a script of this collection, where what lies in `folder` hides the packages of that name."""
    script = ROOT / "test3.py"
    start = "import sys; sys.modules['__main__'].__file__ = %r; sys.argv = ['test3.py']\n" % str(script)
    return subprocess.run([sys.executable, "-c", start + "import fkp.endings\n" + code], cwd=ROOT, text=True,
                          capture_output=True, check=False, env={**os.environ, "PYTHONPATH": str(folder)})


@pytest.mark.parametrize(("package", "name", "error"), [
    ("matplotlib", "matplotlib", "ImportError('Matplotlib requires numpy>=1.25; you have 1.23.5')"),
    ("pandas", "pandas", "ValueError('numpy.dtype size changed, may indicate binary incompatibility')"),
    ("PIL", "pillow", "AttributeError('_ARRAY_API not found\\nand a second line')"),
])
def test_a_release_that_does_not_go_with_the_others(tmp_path, package, name, error):
    (tmp_path / package).mkdir()
    (tmp_path / package / "__init__.py").write_text("raise " + error)
    done = run(tmp_path, "import %s" % package)
    assert (done.returncode, done.stdout) == (2, "") and done.stderr.count("\n") == 1
    assert done.stderr.startswith("test3.py: %s " % name)
    assert " does not work here (%s" % error.split("'")[1].split("\\n")[0] in done.stderr
    assert "requirements.txt" in done.stderr


def test_one_that_is_missing(tmp_path):
    (tmp_path / "joblib.py").write_text("raise ModuleNotFoundError('No module named joblib', name='joblib')")
    done = run(tmp_path, "from importlib import metadata\n"
                         "def none(name): raise metadata.PackageNotFoundError(name)\n"
                         "metadata.version = none\nimport joblib")
    assert done.returncode == 2
    assert done.stderr.startswith("test3.py: joblib is not installed (No module named joblib); install it with ")


def test_what_breaks_later_or_elsewhere_is_no_matter_of_packages():
    import pandas
    table = pandas.DataFrame({"a": [1]})
    for broken in (lambda: table.loc[5], lambda: __import__("nothing_of_this_name"), lambda: 1 / 0):
        with pytest.raises(Exception) as caught:
            broken()
        assert packages.line(caught.value) is None
