"""How good the levels and their averages are: tables, the best rule, a picture."""
import json

import numpy as np
import pandas

from fkp import Problem, files, tables
from fkp.results import figures
from fkp.looking.cascade import combine, own_columns
from fkp.looking.parts import fingerprints
from fkp.keypoints import ALL_COLUMNS, COLUMNS, GROUPS, rms

RULES = [(1,), (2,), (3,), (1, 1, 2), (1, 2), (2, 3), (1, 2, 3)]  # averages of levels; the last is the originals'
RULES_FILE = "net5.json"
SHOWN = 8   # faces in the picture
CONTENT = "validation error of averaged levels, pixels"
NETS = "of the nets"


def validation_errors(points, faces, rows):
    """{rule: error (m, all) in pixels} on these `rows` (m,) of the faces, which no level trained on."""
    return {rule: (combine(points, rule) - faces.keypoints)[rows]
            for rule in RULES if all(level in points for level in rule)}


def print_errors(points, faces, rows):
    """Print every rule's error, side by side, per group and per keypoint.  Returns `full_scheme_error`."""
    errors = validation_errors(points, faces, rows)
    print("\nValidation error in pixels (root mean square), on faces that no level trained on")
    print(tables.show(error_table(errors)))
    scores = full_scheme_error(errors)
    print(f"The submission uses the best on the full scheme: {rule_name(min(scores, key=scores.get))}.", flush=True)
    return scores


def error_table(errors):
    """Errors in pixels of each part of a face (rows) by each rule (columns); no row for what is not known."""
    parts = parts_of_a_face()
    table = pandas.DataFrame({rule_name(rule): [rms(error[:, index]) for index in parts.values()]
                              for rule, error in errors.items()}, index=[*parts])
    return table.rename_axis(columns="levels averaged").dropna(how="all")


def parts_of_a_face():
    """{name: indices into ALL_COLUMNS}: the whole face, each group, each keypoint."""
    at = ALL_COLUMNS.index
    parts = {"all points": list(range(len(ALL_COLUMNS))), "full scheme": list(range(len(COLUMNS)))}
    parts.update({group: own_columns(group)[0] for group in GROUPS})
    parts.update({name[:-2]: [at(name), at(name) + 1] for name in ALL_COLUMNS if name.endswith("_x")})
    return parts


def complete(truth):
    """Index of the faces (n, all) with all labels of the full scheme."""
    return np.flatnonzero(~np.isnan(truth[:, :len(COLUMNS)]).any(1))


def worth_showing(truth):
    """Index of the complete faces, or, where there are none, of all."""
    rows = complete(truth)
    return rows if len(rows) else np.arange(len(truth))


def picture(points, rule, faces, rows):
    """Some of these `rows`, validation faces, with the answer of `rule` and the truth, and both errors: a figure."""
    rows = rows[worth_showing(faces.keypoints[rows])[:SHOWN]]
    full = slice(0, len(COLUMNS))
    truth, answer = faces.keypoints[rows, full], combine(points, rule)[rows, full]
    captions = [f"level 1: {rms(one - t):.2f}, cascade: {rms(a - t):.2f} pixels"
                for one, a, t in zip(points[1][rows, full], answer, truth)]
    return figures.gallery("The cascade on validation faces: prediction +, truth o", faces.images[rows],
                           answer, truth, captions)


def rule_name(rule):
    return "+".join(map(str, rule))


def full_scheme_error(errors):
    """{rule: error in pixels on the full scheme's points} from `validation_errors`."""
    return {rule: float(rms(error[:, :len(COLUMNS)])) for rule, error in errors.items()}


def write_rules(folder, scores, nets):
    """Keep each rule's validation error, {rule: pixels}, and of which `nets`, {name: fingerprint}, in net5.json."""
    table = {CONTENT: {rule_name(rule): value for rule, value in scores.items()}, NETS: nets}
    files.write_text(folder / RULES_FILE, json.dumps(table, indent=2) + "\n")


def best_rule(folder, parts):
    """The rule with the lowest validation error among those of these levels alone, {level: [Part, ...]}.

    The mean of all of them, as in the originals, where net5.py has not ended
    yet.  Raises Problem where the errors are those of other nets.
    """
    known, nets = read_rules(folder)
    levels = tuple(parts)
    if levels == (1,):
        return levels
    for name, fingerprint in fingerprints(parts).items():
        if known and nets.get(name) != fingerprint:
            raise Problem(f"{folder / RULES_FILE}: holds the errors of another {name}; run net5.py --resume, "
                          "which writes it anew")
    possible = {rule: score for rule, score in known.items() if set(rule) <= set(levels)}
    return min(possible, key=possible.get) if possible else levels


def read_rules(folder):
    """What `write_rules` keeps, ({rule: pixels}, {name: fingerprint}); both empty where there is no such file."""
    try:
        table = json.loads((folder / RULES_FILE).read_text(encoding="utf-8"))
        scores, nets = table[CONTENT], table.get(NETS, {})
        return ({rule: float(scores[rule_name(rule)]) for rule in RULES if rule_name(rule) in scores}, dict(nets))
    except FileNotFoundError:
        return {}, {}
    except (OSError, ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        raise Problem(f"{folder / RULES_FILE}: cannot be read ({error}); move it away and run net5.py again") from None
