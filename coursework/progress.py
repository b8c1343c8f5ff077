"""What a person sees of runs that are being done."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from coursework.trial import Epoch

if TYPE_CHECKING:
    from coursework.experiment import Run


class Progress:
    """A bar where a person waits, one line an epoch where no terminal is."""

    def __init__(self, runs: int) -> None:
        from tqdm import tqdm  # noqa: PLC0415

        self.bar = None
        if sys.stdout.isatty() or "ipykernel" in sys.modules:
            self.bar = tqdm(total=runs, unit="run", file=sys.stdout)
        self.count, self.runs, self.reported = 0, runs, 0.0

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *exception: object) -> None:
        if self.bar is not None:
            self.bar.close()

    def epoch(self, cell: Run, epoch: Epoch) -> None:
        """Show an epoch, at most one a second, with its first score."""
        text = f"epoch {epoch.epoch}: train loss {epoch.train_loss:.4f}"
        for name, value in list(epoch.validation.items())[:1]:
            text += f", validation {name} {value:.4f}"
        if time.monotonic() - self.reported < 1:
            return
        self.reported = time.monotonic()
        if self.bar is None:
            print(f"{cell} · {text}", flush=True)
        else:
            self.bar.set_description(str(cell), refresh=False)
            self.bar.set_postfix_str(text)

    def done(self, cell: Run) -> None:
        """Count a finished run."""
        self.count += 1
        if self.bar is None:
            print(f"[{self.count}/{self.runs}] {cell}", flush=True)
        else:
            self.bar.update()
