"""What every level answers: level 1 on the whole face, levels 2 and 3 on crops around what the level before saw."""
import numpy as np

from fkp import Problem, models
from fkp.pictures import crops
from fkp.looking.answers import both_ways
from fkp.looking.looks import level1_points
from fkp.looking.parts import Part, check, part_of
from fkp.faces import describe
from fkp.keypoints import ALL_COLUMNS, GROUPS, columns, nanmean

LEVELS = {2: 38, 3: 32}  # level -> side of its crops, in pixels
WITH_MAPS = {2: 48}      # the same of specialists that answer with maps


class Cascade:
    """Level 1 and, if wanted, the specialists.  `predict` gives every level's answer."""

    def __init__(self, folder):
        self.folder = folder
        self.face_net = models.open_net(path(folder))
        self.preprocess = self.face_net.run_.preprocess
        self.sides = sides(folder)
        self.specialists = {}

    def add_specialists(self, levels=None):
        """Open the specialists of these levels, or of all.  Raises Mismatch if one does not belong to them."""
        self.specialists = {level: {group: models.open_net(path(self.folder, group, self.sides[level]))
                                    for group in GROUPS} for level in levels or self.sides}
        check(self.parts())
        return self

    def parts(self):
        """What the levels are made of, {level: [Part, ...]}."""
        nets = {1: {path(self.folder): self.face_net}}
        nets.update((level, {path(self.folder, group, self.sides[level]): net for group, net in each.items()})
                    for level, each in self.specialists.items())
        return {level: [Part(place, net.run_, models.fingerprint(net)) for place, net in each.items()]
                for level, each in nets.items()}

    def predict(self, images):
        """images (n, SIZE, SIZE), prepared by `self.preprocess` -> {level: points (n, all)}."""
        points = {1: level1_points(self.face_net, images)}
        for level, nets in self.specialists.items():
            points[level] = closer_points(nets, images, points[level - 1], self.sides[level])
        return points


def path(folder, group=None, win=None):
    """models/net5-LE-38.npz and so on, or without a group level 1's."""
    return folder / ("net4.npz" if group is None else f"net5-{group}-{win}.npz")


def sides(folder):
    """{level: side of its crops} of the specialists in `folder`: WITH_MAPS where these are all there, else LEVELS."""
    there = all(path(folder, group, win).exists() for win in WITH_MAPS.values() for group in GROUPS)
    return WITH_MAPS if there else LEVELS


def is_complete(folder):
    """True if level 1 and all specialists are there, trained for one another."""
    paths = {1: [path(folder)], **{level: [path(folder, group, win) for group in GROUPS]
                                   for level, win in sides(folder).items()}}
    if not all(place.exists() for each in paths.values() for place in each):
        return False
    try:
        check({level: [part_of(place) for place in each] for level, each in paths.items()})
    except Problem:
        return False
    return True


def open_level1(folder, origin):
    """The cascade with net 4 alone.  Raises Problem unless it was trained on the faces at hand."""
    levels = Cascade(folder)
    trained_on = levels.face_net.run_.data
    if trained_on != origin:
        same_faces = all(trained_on.get(key) == origin[key] for key in ("drawn", "fingerprint", "rows"))
        cure = "give net5.py the same --groups and --fold" if same_faces else "run net4.py on them first"
        raise Problem(f"{path(folder)}: was trained on {describe(trained_on)}, and these are {describe(origin)}; "
                      f"{cure}")
    return levels


def closer_points(nets, images, points, win):
    """`look_closer`, both ways: levels 2 and 3."""
    return both_ways(lambda faces, seen: look_closer(nets, faces, seen, win), images, points)


def look_closer(nets, images, points, win):
    """Each group's specialist in `nets` answers on crops around `points` (n, all).  Returns new points."""
    closer = points.copy()
    for group, net in nets.items():
        cut, centres = crops.crop_group(images, points, group, win)
        answer = crops.from_crop(net.predict(cut), centres, win)
        own, source = own_columns(group)
        closer[:, own] = answer[:, source]
    return closer


def own_columns(group):
    """Which of ALL_COLUMNS a group answers for, and where in its answer they stand.

    The nose's specialist learns the top lip only as a help; the mouth's answers for it.
    """
    names = columns(GROUPS[group])
    own = [name for name in names if not (group == "N" and name.startswith("mouth"))]
    return [ALL_COLUMNS.index(name) for name in own], [names.index(name) for name in own]


def combine(points, levels):
    """The mean of these levels' answers, where they have one."""
    return nanmean(np.stack([points[level] for level in levels]), 0, empty=np.nan)
