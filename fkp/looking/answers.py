"""What a net answers on whole faces, once: points in pixels, of the face and of its mirror image."""
import numpy as np

from fkp import Problem
from fkp.keypoints import ALL_COLUMNS, COLUMNS, mirror_faces, unscale


def net_points(net, images):
    """What a whole-face net answers, as points (n, all) in pixels."""
    X = images.reshape((-1,) + net.layers_[0].shape[1:])
    answer = unscale(net.predict(X))
    if answer.shape[1] not in (len(COLUMNS), len(ALL_COLUMNS)):
        raise Problem(f"{net.run_.script} answers {answer.shape[1]} values; here those are shown that answer all "
                      f"{len(COLUMNS)} of COLUMNS or {len(ALL_COLUMNS)} of ALL_COLUMNS")
    points = np.full((len(images), len(ALL_COLUMNS)), np.nan, np.float32)
    points[:, :answer.shape[1]] = answer
    return points


def both_ways(look, images, points=None):
    """The mean of what `look(images, points)` answers on the faces and on their mirror images: points (n, all).

    It looks once, at all of them: a net is quicker with many faces than twice with half of them.
    """
    seen = look(np.concatenate([images, images[:, :, ::-1]]),
                None if points is None else np.concatenate([points, mirror_faces(points)]))
    return (seen[:len(images)] + mirror_faces(seen[len(images):])) / 2
