"""Write a trained net as an ONNX file, for programs without Theano: onnxruntime, Netron, a browser.

    python -m fkp.onnx models/net4.npz             # writes models/net4.onnx
    python -m fkp.onnx models/net4.npz face.onnx   # under another name
    python -m fkp.onnx models/net4.npz --raw       # takes faces as photographed

Without `--raw` the file takes what the net's `predict` takes: prepared pixels,
divided by 255.  What these are, and what the answers mean, stands in the file.
"""
import json

from fkp import Problem, cli, models, onnx


def main(arguments=()):
    p = cli.parser(__doc__)
    p.add_argument("model", metavar="MODEL.npz", type=cli.path, help="a trained net")
    p.add_argument("out", metavar="OUT.onnx", type=cli.path, nargs="?",
                   help="the file to write (default: beside the model, under its name)")
    p.add_argument("--raw", action="store_true", help="the file takes bytes (uint8) as photographed, and prepares them "
                   "itself; for nets that see the whole face")
    args = p.parse_args(arguments)
    out = args.out or args.model.with_suffix(".onnx")
    onnx.check(out)
    if args.model.name.endswith(".checkpoint.npz"):
        raise Problem(f"{args.model}: is an unfinished run; finish it with --resume, and give the model that it leaves")
    report(out, onnx.export(models.restored(args.model), out, args.raw))


def report(path, model):
    """What stands in the file, for whoever will use it."""
    about = {each.key: each.value for each in model.metadata_props}
    print(f"{path}: {model.ByteSize() / 1e6:.1f} MB, opset {model.opset_import[0].version}")
    print(f"takes {sizes(model.graph.input[0])}: {about['pixels']}")
    print(f"gives {sizes(model.graph.output[0])}: {about['scale']}")
    print("labels:", ", ".join(json.loads(about["labels"])))
    for name in json.loads(about["not taught"]):
        print(f"NaN, since no label taught it: {name}")


def sizes(value):
    """An input's or output's name and shape as text."""
    return f"{value.name} ({', '.join(d.dim_param or str(d.dim_value) for d in value.type.tensor_type.shape.dim)})"


if __name__ == "__main__":
    cli.run(main)
