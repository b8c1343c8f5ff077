"""Networks that draw pictures: how they learn, and what they are worth.

``gan``        a conditional DCGAN's training; ``denoising`` a diffusion model's
``learner``    what both have in common: the loop, the frames, going on
``scores``     scores of arrays; ``judge`` the small network whose features
               they are taken of
``trial``      the trial: train, draw, score
``store``      trained networks kept on this machine; ``generate``
``augmented``  the trial that asks whether drawn pictures help a classifier
"""
