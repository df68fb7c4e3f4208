"""Questions about real runs. Each kind is a function. It takes a run with its moments and a source of chance. It returns a
question, or None if this run has no question of that kind with exactly one right answer.

The chance is seeded: the same seed gives the same questions. So no question depends on the machine's speed: the runs are those of
schedules, one thread at a time, and no question shows a time or a port.
"""
from __future__ import annotations

import random
from typing import Callable, Optional

from . import fields, holds, orders
from .asked import Asked
from .seen import Seen

Kind = Callable[[Seen, random.Random], Optional[Asked]]

KINDS: "dict[str, Kind]" = {"field": fields.ask, "shuffled": orders.shuffled, "possible": orders.possible, "knows": holds.knows, "state": holds.state,
                            "bytes": holds.count_bytes}
