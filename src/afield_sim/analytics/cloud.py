"""All that the service holds."""

from ..clock import Clock
from ..counters import Counters
from ..pulse import Pulse
from .agents import Agents
from .answers import Answers
from .conversations import Conversations
from .faults import FaultBox
from .operations import Operations
from .warehouse import Warehouse


class Cloud:
    """Resources, answers, faults and counts. `counters.calls` is by project; those of faults are by kind of call."""

    def __init__(self, clock: Clock, seed: int) -> None:
        self.clock = clock
        self.counters = Counters()
        self.pulse = Pulse()
        self.faults = FaultBox(seed, self.counters)
        self.warehouse = Warehouse()
        self.agents = Agents(clock)
        self.conversations = Conversations(clock)
        self.operations = Operations(clock)
        self.answers = Answers(self.warehouse)

    def reset(self) -> None:
        """Forget everything but the clock."""
        for part in (self.agents, self.conversations, self.operations, self.faults):
            part.clear()
        self.answers.table.clear()
        self.counters.reset()
        self.operations.seconds = 0.0
