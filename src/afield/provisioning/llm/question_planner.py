"""The chat's planner for one job: a writer for each question, so that questions do not wait for each other."""

from __future__ import annotations

from afield.provisioning.chat.planner import Planned
from afield.provisioning.chat.understand import Known, State
from afield.provisioning.llm.account import CHAT, Account
from afield.provisioning.llm.job_writer import open_job_writer
from afield.provisioning.llm.planner import LlmPlanner
from afield.provisioning.llm.settings import LlmSettings


class QuestionPlanner:
    """A `chat.planner.Planner`. Each question is counted, and has limits of its own: those of its retries."""

    def __init__(self, settings: LlmSettings, account: Account, seconds: float) -> None:
        self._settings, self._account, self._seconds = settings, account, seconds

    async def plan(self, question: str, known: Known, state: State) -> Planned:
        """See `Planner.plan`. Raises WriterError, also when the model cannot be used as configured."""
        async with open_job_writer(self._settings, self._account, CHAT, self._seconds, limited=False) as writer:
            return await LlmPlanner(writer).plan(question, known, state)
