"""`afield chat`: questions about a demo's data, in plain words."""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated
from uuid import UUID

import typer
from rich.table import Table

from afield.cli.provision import as_person, opened
from afield.cli.run import Exit, JsonFlag, err, fail, out, print_json, with_kernel
from afield.cli.who import Who
from afield.errors import InvalidInputError, UnavailableError
from afield.kernel import Kernel
from afield.provisioning.asked import Asked
from afield.provisioning.chat.messages import DataResult, Message, SystemMessage, TextType
from afield.provisioning.settings import ProvisionSettings

_MOST_ROWS = 30  # shown


def chat(
    job_id: Annotated[str, typer.Argument(metavar="JOB", help="A completed job's id.")],
    question: Annotated[str | None, typer.Argument(help="Without it: questions are read line by line.")] = None,
    conversation: Annotated[str | None, typer.Option(help="Go on with this conversation.")] = None,
    by: Who = "",
    json: JsonFlag = False,
) -> None:
    """Ask a demo's data. With --json, a line of JSON for each message. Exit code 1 if a question was not answered."""
    try:
        asked = Asked(job_id=UUID(job_id), conversation_id=UUID(conversation) if conversation else None)
    except ValueError:
        fail(InvalidInputError("This is no id.", hint="`afield provision history` shows the jobs'."))

    async def work(kernel: Kernel) -> bool:
        try:
            from afield.provisioning.conversations import Conversations  # noqa: PLC0415 - its libraries are heavy
        except ModuleNotFoundError as error:
            if str(error.name).startswith("afield"):
                raise
            hint = "pip install 'afield[provisioning]'"
            raise UnavailableError(f"The chat needs {error.name}, which is not installed.", hint=hint) from error
        async with opened(kernel) as jobs:
            conversations = Conversations(kernel, jobs, ProvisionSettings())
            try:
                talk = await conversations.begin(asked, as_person(by))
                good = True
                for line in [question] if question is not None else sys.stdin:
                    if line.strip():
                        good &= await _told(conversations.answer(talk, line.strip()), json)
                err.print(f"Conversation {talk.conversation.id}")
                return good
            finally:
                await conversations.close()

    if not with_kernel(work):
        raise typer.Exit(Exit.FINDINGS)


async def _told(messages: AsyncGenerator[Message, None], json: bool) -> bool:
    """Print an answer as it comes; whether it is one."""
    good = True
    async with aclosing(messages):
        async for message in messages:
            content = message.system_message
            good &= content is None or content.error is None
            if json:
                print_json(message.wire())
            elif content is not None:
                _show(content)
    return good


def _show(content: SystemMessage) -> None:
    if content.error is not None:
        err.print(content.error.text, style="bold red")
    elif content.text is not None:
        style = "dim" if content.text.text_type is not TextType.FINAL_RESPONSE else "bold"
        out.print("\n".join(content.text.parts), style=style)
    elif content.data is not None and content.data.generated_sql is not None:
        out.print(content.data.generated_sql, style="cyan")
    elif content.data is not None and content.data.result is not None:
        out.print(_table(content.data.result))


def _table(result: DataResult) -> Table:
    fields = result.result_schema.fields
    table = Table(*(field.display_name or field.name for field in fields), box=None, pad_edge=False)
    for row in result.formatted_data[:_MOST_ROWS]:
        table.add_row(*(str(row.get(field.name, "")) for field in fields))
    if len(result.formatted_data) > _MOST_ROWS:
        table.caption = f"{len(result.formatted_data) - _MOST_ROWS} more rows"
    return table
