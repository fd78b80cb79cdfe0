"""The first lines of a script: what computes, on which faces, under which net."""
import sys

import theano_onednn
from fkp import cli
from fkp.faces import read_faces
from fkp.keypoints import never_labelled


def faces_asked_for(args):
    """The labelled faces that the command line asks for (`fkp.faces.Faces`); says what computes, and on which faces."""
    theano_onednn.set_precision(getattr(args, "precision", "float32"))
    faces = read_faces(data=args.data, rows=args.rows, groups=args.groups, fold=args.fold)
    greet(args, faces)
    return faces


def greet(args, faces):
    """Print what computes, and on which faces."""
    origin = faces.origin
    print(theano_onednn.describe())
    if origin["drawn"]:
        print("No data/training.csv: using drawn sample faces (data/README.md says how to get Kaggle's).")
    else:
        print(f"Faces: {origin['file']}, {origin['rows']} rows.")
    is_part = faces.keypoints is not None and args.rows is not None
    unlabelled = never_labelled(faces.keypoints) if is_part else []
    if unlabelled:
        print(f"No label in the first {len(faces.keypoints)} rows: {', '.join(unlabelled)}.")
    sys.stdout.flush()


def nets_to_show(folder):
    """The models folder; while the usual one holds no net yet, that of the nets which come with the collection."""
    if folder != cli.MODELS or any(folder.glob("net*.npz")):
        return folder
    print("No net trained yet: showing those of models/drawn, trained on drawn faces.")
    return cli.SHIPPED


def warn_if_foreign(run, origin):
    """Say so where the net of this run meets faces of another kind than it was trained on."""
    if bool(run.data.get("drawn")) != origin["drawn"]:
        learned, met = ("drawn", "real") if run.data.get("drawn") else ("real", "drawn")
        print(f"Note: this net was trained on {learned} faces, and these are {met}.")
