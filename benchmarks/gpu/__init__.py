"""Time training on a GPU beside the loops that people write.

``python -m benchmarks.gpu`` measures a pass over the same MNIST pictures, by
the same kind of network, with SGD and momentum: in units of
``Training.epoch``, which holds uint8 pictures on the device and resizes them
there, in the precision "auto".  Peers are torchvision's network and a
``DataLoader`` with a worker a core, in float32 and under autocast; timm's
network, channels last, under autocast; ours through ``torch.compile``; and
bare steps on one batch that is there already, which is what no data cost.
Time is that of the clock, with the GPU's work done.  Beside stands the share
of the device's peak that ours used.  How to run it, and all of the profile
``full``, on a machine without a network is in ``benchmarks/gpu/README.md``.
"""
