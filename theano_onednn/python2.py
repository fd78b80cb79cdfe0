"""Scripts of Python 2: how to convert one, and where a converter leaves `/` between whole numbers."""
import ast
import contextlib
import os
import re
import traceback

CONVERTER = "if it is Python 2, convert it: pip install fissix, then python -m fissix -w %s"
OF_INTEGERS = re.compile(r"(?!unsupported operand|'float' object is not).*(\bint\b|\binteger|float)", re.DOTALL)
BLOCKS = {"body", "orelse", "finalbody", "handlers"}


def syntax(error, path):
    """One line about a SyntaxError in the file at `path`."""
    return "%s, line %s, is not Python 3 (%s): %s; %s" % (
        path, error.lineno, error.msg, (error.text or "").strip(), CONVERTER % path)


def advice(error, folder):
    """What may be meant where a script of this folder ended with this error: a line, or None.

    Python 2 divides whole numbers to a whole number, Python 3 to a fraction,
    which then is no index, no length and no number of rounds.
    """
    if isinstance(error, SyntaxError) and error.filename and is_own(error.filename, folder):
        return syntax(error, error.filename)
    if not isinstance(error, (TypeError, IndexError, ValueError)) or not OF_INTEGERS.match(str(error)):
        return None
    for frame, line in reversed(list(traceback.walk_tb(error.__traceback__))):
        path = frame.f_code.co_filename
        found = divisions(path, frame, line) if is_own(path, folder) else []
        if found:
            return "in Python 3 `/` makes a fraction of whole numbers; is `//` meant?  " + "; ".join(found[:3])
    return None


def is_own(path, folder):
    """Does this file belong to the script, and not to what is installed?"""
    path = os.path.realpath(path)
    return path.startswith(os.path.realpath(folder) + os.sep) and "site-packages" not in path


def divisions(path, frame, line):
    """Divisions that the statement at this line of a file makes, or that made the fractions it reads."""
    with open(path, "rb") as file:
        tree = ast.parse(file.read())
    here = [node for node in ast.walk(tree) if isinstance(node, ast.stmt) and node.lineno <= line <= node.end_lineno]
    if not here:
        return []
    statement = max(here, key=lambda node: node.lineno)
    fractions = {ast.unparse(node) for node in inside(statement) if is_fraction(node, frame)}
    dividing = [statement] if divides(statement) else [
        node for node in ast.walk(tree) if divides(node) and fractions & set(targets(node))]
    return ["%s, line %d: %s" % (path, node.lineno, ast.unparse(node).splitlines()[0][:99]) for node in dividing]


def inside(node):
    """The node, and what it is made of without the statements of its blocks."""
    yield node
    for field, value in ast.iter_fields(node):
        for part in value if isinstance(value, list) else [value]:
            if isinstance(part, ast.AST) and not (isinstance(node, ast.stmt) and field in BLOCKS):
                yield from inside(part)


def divides(node):
    return isinstance(node, ast.stmt) and any(isinstance(getattr(part, "op", None), ast.Div) for part in inside(node))


def is_fraction(node, frame):
    """Is this a variable, or an object's, that holds a float?"""
    if isinstance(node, (ast.Name, ast.Attribute)):
        with contextlib.suppress(Exception):  # the name may be gone by now
            return isinstance(eval(ast.unparse(node), frame.f_globals, frame.f_locals), float)
    return False


def targets(node):
    """The names that a statement assigns to."""
    assigned = getattr(node, "targets", None) or [getattr(node, "target", None)]
    return [ast.unparse(part) for one in assigned if one for part in (getattr(one, "elts", None) or [one])]
