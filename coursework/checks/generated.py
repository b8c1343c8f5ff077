"""Checks of practical 6's generated data, by the losses themselves."""

# ruff: noqa: PLC0415 - a page that is given no answer need not wait for torch

from __future__ import annotations

from coursework.checks.reply import Reply, check, number


@check("a probability, between 0 and 1", number)
def unsure_verdict(answer: float) -> Reply:
    """Find what a discriminator says that can't tell real from drawn.

    The slope of its loss there must be zero, by autograd.
    """
    import torch

    from coursework.generative.gan import Gan
    from coursework.models.dcgan import Verdict, adversarial

    if not 0 < answer < 1:
        return Reply(False, "A verdict is a probability.")
    one = torch.tensor([answer], dtype=torch.float64)
    logit = one.logit().requires_grad_()
    labels = torch.zeros(1, dtype=torch.int64)
    verdict, asked = Verdict(logit, None), Gan()
    loss = adversarial(verdict, labels, asked.real) + adversarial(
        verdict, labels, asked.drawn
    )
    (slope,) = torch.autograd.grad(loss, logit)
    return Reply(
        abs(float(slope)) < 1e-3,
        f"Here the loss, of a real and a drawn picture, has the slope "
        f"{float(slope):+.3f} by the logit. The same answer serves both, so "
        "it lies in the middle of what is asked for of each.",
    )
