"""How a head looks that turns aside: a cylinder with a nose.  Photographs are turned by it, and faces drawn on it."""
import numpy as np

# Lengths are in the head's radii.
RADIUS = 1.15   # distances between the eyes
NECK = 0.6      # from the axis of the cylinder forwards to that about which the head turns
NOSE = 0.25     # how far the tip stands out
SPREAD = 0.25   # standard deviation of the bell that is the nose
STEPS = 12      # of a sum that converges: each is at most half of the one before


class Head:
    """An upright cylinder with a nose, turned by `angle`; x right of its front's middle, y down, in its radii.

    What it shows moves sideways, as far as it is in front of the neck.  Arrays
    of any shapes that spread over one another.
    """

    def __init__(self, angle, nose_x, nose_y):
        self.angle, self.nose_y = angle, nose_y
        self.nose_x = self.around(nose_x, nose_y) + NOSE * np.sin(angle)

    def there(self, x, y):
        """Where what is at x goes as the head turns."""
        around = new = self.around(x, y)
        for _ in range(STEPS):
            new = around + self.further(new, y)
        return new

    def back(self, x, y):
        """The inverse: where what is at x was."""
        return self.before(x - self.further(x, y), y)

    def around(self, x, y):
        """`there`, had it no nose."""
        return roll(x, self.angle) - NECK * np.sin(self.angle)

    def before(self, x, y):
        """The inverse of `around`."""
        return roll(x + NECK * np.sin(self.angle), -self.angle)

    def further(self, x, y):
        """How much further than the cylinder the nose goes that arrives at x."""
        bell = np.exp(((x - self.nose_x) / SPREAD) ** 2 / -2)
        return bell * np.exp(((y - self.nose_y) / SPREAD) ** 2 / -2) * NOSE * np.sin(self.angle)


def roll(x, angle):
    """Where x on a cylinder of radius 1 goes as it rolls by `angle`; what is beside it, or hidden then, moves along."""
    sin, cos = np.sin(angle), np.cos(angle)
    seen = x.clip(np.where(angle > 0, -1, -cos), np.where(angle > 0, cos, 1))
    return seen * cos + np.sqrt(1 - seen * seen) * sin + x - seen  # the sine of (arcsine of seen, plus angle)
