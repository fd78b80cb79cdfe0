"""README.md and docs/ stay right: links lead somewhere, commands and options exist, Python is Python."""
import re
import subprocess
import sys

import pytest
from conftest import ROOT
from test_rooms import imports

PAGES = sorted(path.relative_to(ROOT).as_posix() for path in [
    *ROOT.glob("*.md"), *ROOT.glob("docs/*.md"),
    *(ROOT / folder / "README.md" for folder in ("bench", "bench/results", "data", "models", "theano_onednn"))])
CODE = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
COMMAND = re.compile(r"\bpython (-m )?([\w./]+)([^|;&#`\n]*)")


def prose(page):
    """A page without its fenced code."""
    return CODE.sub("", (ROOT / page).read_text(encoding="utf-8"))


def code(page, language):
    """The page's blocks of fenced code in this language."""
    return [text for found, text in CODE.findall((ROOT / page).read_text(encoding="utf-8")) if found == language]


def anchors(page):
    """The names that links to the page's headings have, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def commands(page):
    """(script or module, options) of every `python ...` that the page names."""
    text = (ROOT / page).read_text(encoding="utf-8").replace("\\\n", " ")
    for module, name, rest in COMMAND.findall(text):
        if name.endswith(".py") or module and name.split(".")[0] in ("fkp", "theano_onednn"):
            yield (name.replace(".", "/") if module else name), re.findall(r"(--[a-z][\w-]*)", rest)


def test_the_readme_is_a_page():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 200


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        found = ((ROOT / page).parent / path).resolve() if path else ROOT / page
        assert found.exists(), target
        assert not anchor or anchor in anchors(found.relative_to(ROOT).as_posix()), target


@pytest.mark.parametrize("page", PAGES)
def test_commands_and_their_options_exist(page):
    for name, options in commands(page):
        path = next((p for p in (ROOT / name, ROOT / (name + ".py"), ROOT / name / "__main__.py") if p.is_file()), None)
        if name in ("net6.py", "netN.py", "SCRIPT.py"):  # the reader's own
            path = ROOT / "net3.py"
        assert path, "%s names %s" % (page, name)
        known = path.read_text(encoding="utf-8") + (ROOT / "fkp/cli.py").read_text(encoding="utf-8")
        for option in options:
            assert '"%s"' % option in known or option.startswith("--no-"), "%s: %s %s" % (page, name, option)


@pytest.mark.parametrize("page", PAGES)
def test_files_that_are_named_exist(page):
    for name in re.findall(r"`((?:fkp|theano_onednn|tests|docs|bench)/[\w./]+)`", prose(page)):
        assert (ROOT / name).exists(), name


@pytest.mark.parametrize("page", PAGES)
def test_python_compiles(page):
    for text in code(page, "python"):
        compile(text, page, "exec")


def test_every_module_has_its_place_in_the_layout():
    named = prose("docs/layout.md")
    for path in ROOT.glob("fkp/**/*.py"):
        assert path.name == "__init__.py" or path.relative_to(ROOT).as_posix() in named, path


def test_no_import_goes_up_a_floor():
    floor = {part: int(number) for number, line in re.findall(r"^(\d+)\. (.*)$", prose("docs/layout.md"), re.MULTILINE)
             for part in re.findall("`([^`]+)`", line)}
    for path in [ROOT / "load.py", *ROOT.glob("fkp/**/*.py")]:
        own = part_of(path)
        for name in imports(path):
            other = part_of(ROOT / (name.replace(".", "/") + ".py"))
            assert other in (None, own) or own is None or floor[other] > floor[own], "%s imports %s" % (path, name)


def part_of(path):
    """The room of fkp that this file is in, or itself; None for the package fkp and for what is not ours."""
    parts = path.relative_to(ROOT).parts
    part = "/".join(parts[:2]) if parts[0] == "fkp" else parts[0]
    return part if path.name != "__init__.py" and parts[0] in ("fkp", "load.py") and (ROOT / part).exists() else None


@pytest.mark.slow
@pytest.mark.parametrize("page", ["docs/notebooks.md", "docs/running.md"])
def test_python_runs_as_it_stands(page, tmp_path):
    script = tmp_path / "page.py"
    script.write_text("\n".join(code(page, "python")), encoding="utf-8")
    run = "import matplotlib, runpy, sys; matplotlib.use('Agg'); sys.path.insert(0, '.'); runpy.run_path(sys.argv[1])"
    done = subprocess.run([sys.executable, "-c", run, str(script)], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
