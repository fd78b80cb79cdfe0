"""What the scripts here learn from: noise with a seed."""
import numpy as np


def images(n=12, channels=3, side=16, classes=4):
    """X (n, channels, side, side) and y (n,), which X shows as a brighter corner."""
    random = np.random.RandomState(7)
    y = random.randint(0, classes, n).astype("int32")
    X = random.standard_normal((n, channels, side, side)).astype("float32")
    for image, label in zip(X, y):
        image[:, :side // 2, label * side // classes:(label + 1) * side // classes] += 1
    return X, y


def sentences(n=8, length=9, words=11):
    """Words' numbers (n, length), a mask (n, length) of those that count, and whether the first is odd (n,)."""
    random = np.random.RandomState(7)
    X = random.randint(0, words, (n, length)).astype("int32")
    mask = (np.arange(length) < random.randint(3, length + 1, (n, 1))).astype("float32")
    return X, mask, X[:, 0] % 2
