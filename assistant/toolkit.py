"""Which tools an answer may use: those that are configured, as its organisation and chat allow."""

from assistant.rocketreach_desk import rocketreach_tools
from assistant.tools.base import Tool
from assistant.tools.toolbox import Toolbox
from assistant.turns import Turn


def tools_for(turn: Turn) -> Toolbox | None:
    """None where there are no tools: a model is not told of what it cannot use."""
    tools = _configured(turn)
    if not tools:
        return None
    allowed = [tool.name for tool in tools] if turn.policy.paid_tools_allowed else []
    return Toolbox(tools, allowed=[*allowed, *turn.conversation.allowed_tools])


def _configured(turn: Turn) -> list[Tool]:
    record, chat = turn.generation, turn.conversation
    return rocketreach_tools(
        record.user_id, chat.organization_id, chat.pk, record.pk, record.request_id
    )
