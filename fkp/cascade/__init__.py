"""The cascade of net 5: `predict` and, for its training, `lessons` and `report`.

Points are (n, all) arrays in pixels, columns as in keypoints.ALL_COLUMNS; a
level that does not know the second scheme leaves NaN in its columns.  Every
level looks at a face and at its mirror image and answers the mean of both.
"""
from fkp.cascade.predict import (LEVELS, WITH_MAPS, Cascade, closer_points, combine, is_complete, net_points,
                                 open_level1, path, sides)

__all__ = ["LEVELS", "WITH_MAPS", "Cascade", "closer_points", "combine", "is_complete", "net_points", "open_level1",
           "path", "sides"]
