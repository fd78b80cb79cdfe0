"""What bench/train_speed.py compares: nets, ways to train them, and the ratios of interest."""
from typing import NamedTuple

NETS = {"1": "net1", "2": "net2", "3": "net3", "4": "net4", "5": "specialist 38x38", "maps": "net4 --heatmaps"}
PREDICTED = ("4", "maps")  # nets that also predict the test faces


class Mode(NamedTuple):
    """One way to train the same net."""

    label: str
    torch: bool = False
    onednn: str = "1"
    bfloat16: bool = False
    channels_last: bool = False


MODES = {
    "ours": Mode("ours"),
    "ours-bf16": Mode("ours bfloat16", bfloat16=True),
    "ours-blas": Mode("ours without oneDNN", onednn="blas"),
    "stock": Mode("stock Theano", onednn="0"),
    "torch": Mode("PyTorch", torch=True),
    "torch-cl": Mode("PyTorch channels-last", torch=True, channels_last=True),
    "torch-bf16": Mode("PyTorch bfloat16", torch=True, bfloat16=True),
    "torch-cl-bf16": Mode("PyTorch channels-last bfloat16", torch=True, bfloat16=True, channels_last=True),
}
# What a ratio divides by: the best of these modes.
RATIOS = {
    "ours / PyTorch float32": ("ours", ("torch", "torch-cl")),
    "ours / stock": ("ours", ("stock",)),
    "without oneDNN / PyTorch float32": ("ours-blas", ("torch", "torch-cl")),
    "without oneDNN / stock": ("ours-blas", ("stock",)),
    "bfloat16 / PyTorch best": ("ours-bf16", ("torch", "torch-cl", "torch-bf16", "torch-cl-bf16")),
}
