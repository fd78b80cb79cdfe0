"""What every level answers: level 1 on the whole face, levels 2 and 3 on crops around what the level before saw."""
import numpy as np

from fkp import Problem, models
from fkp.pictures import crops
from fkp.looking.answers import both_ways
from fkp.looking.looks import level1_points
from fkp.faces import describe
from fkp.keypoints import ALL_COLUMNS, GROUPS, columns, nanmean

LEVELS = {2: 38, 3: 32}  # level -> side of its crops, in pixels
WITH_MAPS = {2: 48}      # the same of specialists that answer with maps


class Cascade:
    """Level 1 and, if wanted, the specialists.  `predict` gives every level's answer."""

    def __init__(self, folder):
        self.folder = folder
        self.face_net = models.open_net(folder / "net4.npz")
        self.preprocess = self.face_net.run_.preprocess
        self.sides = sides(folder)
        self.specialists = {}

    def add_specialists(self, levels=None):
        """Open the specialists of these levels, or of all.  Raises Problem if one was trained on other faces."""
        self.specialists = {level: {group: models.open_net(path(self.folder, group, self.sides[level]))
                                    for group in GROUPS} for level in levels or self.sides}
        for level, nets in self.specialists.items():
            for group, net in nets.items():
                if net.run_.data != self.face_net.run_.data:
                    raise Problem(f"{path(self.folder, group, self.sides[level])}: was trained on "
                                  f"{describe(net.run_.data)}, and net4.npz on {describe(self.face_net.run_.data)}; "
                                  "run net5.py again")
        return self

    def predict(self, images):
        """images (n, SIZE, SIZE), prepared by `self.preprocess` -> {level: points (n, all)}."""
        points = {1: level1_points(self.face_net, images)}
        for level, nets in self.specialists.items():
            points[level] = closer_points(nets, images, points[level - 1], self.sides[level])
        return points


def path(folder, group, win):
    """models/net5-LE-38.npz and so on."""
    return folder / f"net5-{group}-{win}.npz"


def sides(folder):
    """{level: side of its crops} of the specialists in `folder`: WITH_MAPS where these are all there, else LEVELS."""
    there = all(path(folder, group, win).exists() for win in WITH_MAPS.values() for group in GROUPS)
    return WITH_MAPS if there else LEVELS


def is_complete(folder):
    """True if level 1 and all specialists are there, trained on the same faces."""
    paths = [folder / "net4.npz"] + [path(folder, group, win) for win in sides(folder).values() for group in GROUPS]
    if not all(p.exists() for p in paths):
        return False
    first, *others = [models.open_run(p)[0].data for p in paths]
    return all(other == first for other in others)


def open_level1(folder, origin):
    """The cascade with net 4 alone.  Raises Problem unless it was trained on the faces at hand."""
    levels = Cascade(folder)
    trained_on = levels.face_net.run_.data
    if trained_on != origin:
        raise Problem(f"{folder / 'net4.npz'}: was trained on {describe(trained_on)}, and these are "
                      f"{describe(origin)}; run net4.py on them first")
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
