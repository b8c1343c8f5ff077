"""Import timm, which takes seconds, once for all workers forked later."""

from coursework import guard_torchvision

guard_torchvision()

import timm  # noqa: E402, F401  # the guard comes first
