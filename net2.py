"""Net 2: net 1, and half of each batch is mirrored.

    python net2.py                 # 1,000 epochs

A mirrored face is a face: its picture is reversed, its x coordinates change
sign, and left and right labels swap.  This doubles what the net can learn
from, and costs nothing to store.  New here: FlipBatchIterator.
"""
import load  # first: prepares Theano
import net1
from fkp import cli
from fkp.run import Run
from fkp.training.session import one_net

EPOCHS = 1000


class FlipBatchIterator(load.PixelBatchIterator):
    """Mirrors half of each batch, chosen at random; `names` are the columns of y."""

    def __init__(self, *args, names=load.COLUMNS, **kwargs):
        super().__init__(*args, **kwargs)
        self.names = names

    def transform(self, Xb, yb):
        Xb, yb = Xb.copy(), yb.copy()  # nolearn hands out views: the original flipped the data set itself
        n = len(Xb)
        chosen = self.random.choice(n, n // 2, replace=False)  # the original's n / 2 fails on Python 3
        images = Xb.reshape(n, load.SIZE, load.SIZE)  # a view: of faces in rows as well as in two dimensions
        images[chosen], yb[chosen] = load.mirror(images[chosen], yb[chosen], self.names)
        return super().transform(Xb, yb)

    def taught(self, y):
        known = super().taught(y)
        return known | known[load.mirror_order(self.names)]


def build(epochs=EPOCHS, seed=cli.SEED):
    """Net 1 with the flipping batch iterator."""
    net = net1.build(epochs, seed)
    net.batch_iterator_train = FlipBatchIterator(batch_size=128, seed=seed)
    return net


def main():
    p = cli.parser(__doc__, *cli.TRAINING)
    p.set_defaults(epochs=EPOCHS)
    args = p.parse_args()
    faces = load.faces(data=args.data, rows=args.rows, groups=args.groups)
    cli.greet(args, faces)
    X, y = load.arrays(faces)
    run = Run.asked("net2", args, faces.origin)
    net = build(**run.build)
    net.train_split = load.split_for(faces)
    with one_net(run, args) as session:
        net = session.fit(net, X, y)
        session.save(net)


if __name__ == "__main__":
    cli.run(main)
