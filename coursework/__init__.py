"""The coursework package: what the notebooks stand on.

How a number comes to be, in one direction::

    recipe ─┐
    data ───┼─> training, mlp ─> experiment ─> record ─> table, figure
    models ─┘                        │            └─> claims
    metrics <─ tasks <───────────────┘

``trial``       what a trial yields and returns; the one seeding function
``recipe``      how a network is trained: optimiser, rate, schedule, budget
``data``        splits, and one loader a data set
``mlp``         the numpy network and its trial
``models``      torch networks, one family a file
``training``    the torch trial
``tasks``       the loss and the scores that go together
``metrics``     scores of arrays; ``stats`` intervals and paired differences
``experiment``  grids of variants, identity of a run, what is missing
``records``     a finished run as JSON; tables and curves of many
``claims``      a statement, the rule that decides it, the verdict
``figures``     tables in, axes out; ``show`` what a page displays besides
``launch``      worker pool, notebook runner, book
``cli``         the command ``coursework``

Importing any of it trains, downloads and draws nothing.
"""
