"""Net 4's sister with maps (fkp/maps.py) in PyTorch, for torch_twins.py."""
import numpy as np
import torch
from torch import nn

BATCH, RATE, GREY, MAP_WEIGHT, BUMP = 32, 0.002, 0.5, 0.003, 1.0  # as in fkp/maps.py
KEYPOINTS = 15


def convolution(channels, filters):
    """A 3x3 convolution that keeps the size, batch normalisation and the rectifier."""
    return nn.Sequential(nn.Conv2d(channels, filters, 3, padding=1, bias=False), nn.BatchNorm2d(filters, eps=1e-4),
                         nn.ReLU())


class Maps(nn.Module):
    """(n, 1, 96, 96) -> (n, 30)."""

    def __init__(self):
        super().__init__()
        self.to24 = nn.Sequential(convolution(1, 24), nn.MaxPool2d(2), convolution(24, 48), nn.MaxPool2d(2),
                                  convolution(48, 96), convolution(96, 96))
        self.to12 = nn.Sequential(nn.MaxPool2d(2), convolution(96, 96), convolution(96, 96))
        self.to6 = nn.Sequential(nn.MaxPool2d(2), convolution(96, 96), convolution(96, 96))
        self.up = nn.Upsample(scale_factor=2)
        self.up12, self.up24 = convolution(192, 96), convolution(192, 96)
        self.maps = nn.Conv2d(96, KEYPOINTS, 1)
        y, x = np.mgrid[1:48:2, 1:48:2] / 24 - 1  # the pixels' centres, the picture's edges being -1 and 1
        self.register_buffer("places", torch.from_numpy(np.stack([x.ravel(), y.ravel()], 1).astype(np.float32)))

    def forward(self, x):
        return self.expected_places(self.to_maps(x))

    def to_maps(self, x):
        """(n, 1, 96, 96) -> (n, k, 24, 24)."""
        at24 = self.to24(x)
        at12 = self.to12(at24)
        x = self.up12(torch.cat([self.up(self.to6(at12)), at12], 1))
        x = self.up24(torch.cat([self.up(x), at24], 1))
        return self.maps(x)

    def expected_places(self, maps):
        """Where each map is high, by softmax: (n, k, 24, 24) -> (n, 2k)."""
        return (maps.float().flatten(2).softmax(2) @ self.places).flatten(1)

    def losses(self, x, targets):
        """That of the places, and that of the maps; the first is what is shown, their sum what is learned."""
        maps = self.to_maps(x)
        far = (targets.reshape(len(targets), -1, 1, 2) - self.places).square().sum(3)
        bumps = torch.softmax(-far / (2 * (BUMP * 2 / maps.shape[-1]) ** 2), 2)
        off = -(bumps * torch.log_softmax(maps.float().flatten(2), 2)).sum(2).mean()
        return nn.functional.mse_loss(self.expected_places(maps), targets), MAP_WEIGHT * off
