"""The rooms of fkp/: each stands on those below it, and none on a script."""
import ast

from conftest import ROOT

SCRIPTS = {path.stem for path in ROOT.glob("*.py")}


def imports(path, whole=True):
    """Modules that a file imports (`whole`: also within functions), relative ones by their full name."""
    package = list(path.relative_to(ROOT).parts[:-1])
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree) if whole else tree.body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[:len(package) - node.level + 1] if node.level else []
            base = ".".join([*base, *filter(None, [node.module])])
            yield base
            yield from ("%s.%s" % (base, alias.name) for alias in node.names)


def module(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def test_nothing_in_fkp_imports_a_script():
    for path in [*ROOT.glob("fkp/**/*.py"), *ROOT.glob("theano_onednn/**/*.py")]:
        assert not SCRIPTS & {name.split(".")[0] for name in imports(path)}, path


def test_no_module_waits_for_one_that_waits_for_it():
    files = {module(path): path for path in [*ROOT.glob("fkp/**/*.py"), *ROOT.glob("theano_onednn/**/*.py")]}
    waits = {name: {other for other in imports(path, whole=False) if other in files and other != name}
             for name, path in files.items()}
    for name, path in files.items():  # `import fkp.csvs.reader` runs fkp.data; what a package itself imports is its own
        waits[name] = {other for other in waits[name] if not name.startswith(other + ".")}
    while waits:
        free = {name for name, others in waits.items() if not others & set(waits)}
        assert free, "a circle among %s" % sorted(waits)
        waits = {name: others for name, others in waits.items() if name not in free}
