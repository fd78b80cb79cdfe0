"""The cascade of net 5: level 1 on the whole face, levels 2 and 3 on crops around what the level before saw.

Points are (n, 34) arrays in pixels, columns as in load.ALL_COLUMNS; a level
that does not know the second scheme leaves NaN in its columns.  Every level
looks at a face and at its mirror image and answers the mean of both.
"""
import json
import warnings

import load
import numpy as np

from fkp import Problem, figures, files, models

LEVELS = {2: 38, 3: 32}  # level -> side of its crops, in pixels
RULES = [(1,), (2,), (3,), (1, 2), (2, 3), (1, 2, 3)]  # averages of levels; (1, 2, 3) is the originals'
CENTRE = 2               # values per centre
RULES_FILE = "net5.json"


class Cascade:
    """Level 1 and, if wanted, the specialists.  `predict` gives every level's answer."""

    def __init__(self, folder):
        self.folder = folder
        self.whole = load.open_net(folder / "net4.npz")
        self.preprocess = self.whole.header_["settings"].get("preprocess", "equalise")
        self.specialists = {}

    def add_specialists(self, levels=LEVELS):
        """Open the specialists of these levels.  Raises Problem if one was trained on other faces than level 1."""
        self.specialists = {level: {group: load.open_net(path(self.folder, group, level)) for group in load.GROUPS}
                            for level in levels}
        for level, nets in self.specialists.items():
            for group, net in nets.items():
                if net.header_["data"] != self.whole.header_["data"]:
                    raise Problem("%s: was trained on %s, and net4.npz on %s; run net5.py again" % (
                        path(self.folder, group, level), describe(net.header_["data"]),
                        describe(self.whole.header_["data"])))
        return self

    def predict(self, images):
        """images (n, 96, 96), prepared by `self.preprocess` -> {level: points (n, 34)}."""
        points = {1: whole_points(self.whole, images)}
        for level, nets in self.specialists.items():
            points[level] = closer_points(nets, images, points[level - 1], LEVELS[level])
        return points


def path(folder, group, level):
    """models/net5-LE-38.npz and so on."""
    return folder / ("net5-%s-%d.npz" % (group, LEVELS[level]))


def is_complete(folder):
    """True if level 1 and all specialists are there, trained on the same faces."""
    paths = [folder / "net4.npz"] + [path(folder, group, level) for level in LEVELS for group in load.GROUPS]
    if not all(p.exists() for p in paths):
        return False
    first, *others = [models.open_header(p)["data"] for p in paths]
    return all(other == first for other in others)


def level1(folder, origin):
    """The cascade with net 4 alone.  Raises Problem unless it was trained on the faces at hand."""
    cascade = Cascade(folder)
    trained_on = cascade.whole.header_["data"]
    if trained_on != origin:
        raise Problem("%s: was trained on %s, and these are %s; run net4.py on them first"
                      % (folder / "net4.npz", describe(trained_on), describe(origin)))
    return cascade


def describe(origin):
    """'drawn faces' or 'training.csv (7049 rows, 1f0c...)'."""
    if origin.get("drawn"):
        return "drawn faces (%s rows)" % origin.get("rows")
    return "%s (%s rows, %.8s)" % (origin.get("file"), origin.get("rows"), origin.get("fingerprint"))


def net_points(net, images):
    """What a whole-face net answers, as points (n, 34) in pixels."""
    X = images.reshape((-1,) + net.layers_[0].shape[1:])
    answer = load.unscale(net.predict(X))
    points = np.full((len(images), len(load.ALL_COLUMNS)), np.nan, np.float32)
    points[:, :answer.shape[1]] = answer
    return points


def both_ways(look, images, points=None):
    """The mean of what `look(images, points)` answers on the faces and on their mirror images: points (n, 34)."""
    mirrored = look(np.ascontiguousarray(images[:, :, ::-1]), None if points is None else mirror_faces(points))
    return (look(images, points) + mirror_faces(mirrored)) / 2


def whole_points(net, images):
    """`net_points`, both ways: level 1."""
    return both_ways(lambda faces, _: net_points(net, faces), images)


def closer_points(nets, images, points, win):
    """`look_closer`, both ways: levels 2 and 3."""
    return both_ways(lambda faces, seen: look_closer(nets, faces, seen, win), images, points)


def look_closer(nets, images, points, win):
    """Each group's specialist in `nets` answers on crops around `points` (n, 34).  Returns new points."""
    closer = points.copy()
    for group, net in nets.items():
        # the full scheme's points define the centre, here as in training (see first_scheme)
        crops, centres = load.load_specialist_test(images, points[:, :len(load.COLUMNS)], group, win)
        answer = load.from_crop(net.predict(crops), centres, win)
        own, source = own_columns(group)
        closer[:, own] = answer[:, source]
    return closer


def own_columns(group):
    """Which of ALL_COLUMNS a group answers for, and where in its answer they stand.

    The nose's specialist learns the top lip only as a help; the mouth's answers for it.
    """
    names = load.columns(load.GROUPS[group])
    own = [name for name in names if not (group == "N" and name.startswith("mouth"))]
    return [load.ALL_COLUMNS.index(name) for name in own], [names.index(name) for name in own]


# --- a specialist's training data ---

def specialist_data(group, seen, found):
    """What CropBatchIterator needs, for every face with one of the group's labels.

    seen (n, 34): the level before, in pixels.  Returns the rows' index (m,) in
    validation-first order, y (m, 4k + 8) as `unpack` takes it apart, how many
    rows validate, and that level's errors (e, 2) in pixels on faces no level
    trained on.  Raises Problem if there are none.
    """
    names = load.columns(load.GROUPS[group])
    partner = [load.mirror_name(name) for name in names]  # in a mirror image these are `names`
    order, cut = load.validation_first(found)
    labels = found.keypoints[:, [load.ALL_COLUMNS.index(name) for name in names]]
    usable = ~np.isnan(labels).all(1)
    keep = order[usable[order]]
    n_valid = int(usable[order[:cut]].sum())
    parts = [labels, found.keypoints[:, [load.ALL_COLUMNS.index(name) for name in partner]]]
    parts += [true_centres(found.keypoints, seen, g) for g in (names, partner)]
    parts += [centres_of(seen, g) for g in (names, partner)]
    complete = ~np.isnan(found.keypoints[:, first_scheme(names)]).any(1)
    valid = keep[:n_valid][complete[keep[:n_valid]]]
    if len(valid) == 0:
        raise Problem("%s: no validation face has all labels of %s; use more rows" % (found.origin["file"], group))
    errors = (parts[4] - parts[2])[valid]
    return keep, np.concatenate(parts, 1)[keep].astype(np.float32), n_valid, errors


def unpack(y):
    """(labels, partner's labels, true centre, partner's, seen centre, partner's) of `specialist_data`'s y."""
    k = (y.shape[1] - 4 * CENTRE) // 2
    return np.split(y, [k, 2 * k, 2 * k + 2, 2 * k + 4, 2 * k + 6], axis=1)


def first_scheme(names):
    """Indices into ALL_COLUMNS of those `names` that Kaggle's full scheme has: they define the centre."""
    return [load.ALL_COLUMNS.index(name) for name in names if name in load.COLUMNS]


def centres_of(points, names):
    """The group's centre (n, 2): the mean of its points of the full scheme."""
    return points[:, first_scheme(names)].reshape(len(points), -1, 2).mean(1)


def true_centres(labels, seen, names):
    """Where the group really is (n, 2), also where some of its labels are missing.

    The seen centre, corrected by the mean error of the points whose label is
    known; with all labels known this is exactly the true centre.
    """
    error = (labels - seen)[:, first_scheme(names)].reshape(len(labels), -1, 2)
    return centres_of(seen, names) + nanmean(error, 1, empty=0)


def nanmean(x, axis, empty):
    """Mean of what is no NaN; `empty` where nothing is left."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.nan_to_num(np.nanmean(x, axis), nan=empty)


def mirror_pixels(points):
    """x -> 96 - x for points (n, 2k) in pixels."""
    flipped = points.copy()
    flipped[:, 0::2] = load.SIZE - flipped[:, 0::2]
    return flipped


def mirror_faces(points):
    """Points (n, 34) in pixels as they are in the mirror image: left and right swapped too."""
    return mirror_pixels(points[:, load.mirror_order(load.ALL_COLUMNS)])


# --- results ---

def combine(points, levels):
    """The mean of these levels' answers, where they have one."""
    return nanmean(np.stack([points[level] for level in levels]), 0, empty=np.nan)


def rms(error, axis=None):
    """Root mean square of what is no NaN, in pixels; NaN if there is nothing."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.sqrt(np.nanmean(np.square(error), axis))


def validation_errors(points, found):
    """{rule: error (n_valid, 34) in pixels} on the faces that no level trained on."""
    order, cut = load.validation_first(found)
    rows = order[:cut]
    return {rule: (combine(points, rule) - found.keypoints)[rows]
            for rule in RULES if all(level in points for level in rule)}


def report(points, found):
    """Print every rule's error, side by side, per group and per keypoint.  Returns `full_scheme_error`."""
    errors = validation_errors(points, found)
    print("\nValidation error in pixels (root mean square), on faces that no level trained on")
    print("%-26s" % "levels averaged" + "".join("%9s" % rule_name(rule) for rule in errors))
    for name, index in parts_of_a_face().items():
        values = [rms(error[:, index]) for error in errors.values()]
        if np.isfinite(values).any():
            print("%-26s" % name + "".join("%9.2f" % v if np.isfinite(v) else "%9s" % "-" for v in values))
    scores = full_scheme_error(errors)
    print("The submission uses the best on the full scheme: %s." % rule_name(min(scores, key=scores.get)), flush=True)
    return scores


def parts_of_a_face():
    """{name: indices into ALL_COLUMNS}: the whole face, each group, each keypoint."""
    at = load.ALL_COLUMNS.index
    parts = {"all points": list(range(len(load.ALL_COLUMNS))), "full scheme": list(range(len(load.COLUMNS)))}
    parts.update({group: own_columns(group)[0] for group in load.GROUPS})
    parts.update({name[:-2]: [at(name), at(name) + 1] for name in load.ALL_COLUMNS if name.endswith("_x")})
    return parts


def complete(truth):
    """Index of the faces (n, 34) with all labels of the full scheme."""
    return np.flatnonzero(~np.isnan(truth[:, :len(load.COLUMNS)]).any(1))


def worth_showing(truth):
    """Index of the complete faces, or, where there are none, of all."""
    found = complete(truth)
    return found if len(found) else np.arange(len(truth))


def picture(points, rule, found, n=8):
    """Validation faces with the answer of `rule` and the truth, and both levels' error: a figure."""
    order, cut = load.validation_first(found)
    full = slice(0, len(load.COLUMNS))
    rows = order[:cut][worth_showing(found.keypoints[order[:cut]])[:n]]
    truth, answer = found.keypoints[rows, full], combine(points, rule)[rows, full]
    captions = ["level 1: %.2f, cascade: %.2f pixels" % (rms(one - t), rms(a - t))
                for one, a, t in zip(points[1][rows, full], answer, truth)]
    return figures.gallery("The cascade on validation faces: prediction +, truth o", found.images[rows],
                           answer, truth, captions)


def rule_name(rule):
    return "+".join(map(str, rule))


def full_scheme_error(errors):
    """{rule: error in pixels on the full scheme's points} from `validation_errors`."""
    return {rule: float(rms(error[:, :len(load.COLUMNS)])) for rule, error in errors.items()}


def write_rules(folder, scores):
    """Keep each rule's validation error, {rule: pixels}, in models/net5.json."""
    table = {"validation error of averaged levels, pixels": {rule_name(rule): value for rule, value in scores.items()}}
    files.write_text(folder / RULES_FILE, json.dumps(table, indent=2) + "\n")


def best_rule(folder, levels):
    """The rule with the lowest validation error among those of these `levels` alone.

    The mean of all of them, as in the originals, where net5.py has not ended yet.
    """
    try:
        (scores,) = json.loads((folder / RULES_FILE).read_text()).values()
        known = {rule: float(scores[rule_name(rule)]) for rule in RULES if rule_name(rule) in scores}
    except FileNotFoundError:
        known = {}
    except (OSError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise Problem("%s: cannot be read (%s); delete it and run net5.py again"
                      % (folder / RULES_FILE, error)) from None
    possible = {rule: score for rule, score in known.items() if set(rule) <= set(levels)}
    return min(possible, key=possible.get) if possible else tuple(levels)
