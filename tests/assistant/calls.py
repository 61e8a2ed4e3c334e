"""The calls of an answer, as the process that makes it meters them."""

from assistant import turns
from assistant.metering import Meter, state_from


def called(turn, text, status, usage, error=None):
    """The one call of an answer, as its process meters it."""
    meter = Meter(turns.payer_of(turn.generation), state_from(turn.generation.call))
    if usage is not None:
        meter.count(usage)
    outcome = {"done": "done", "stopped": "stopped", "failed": "failed"}.get(status, "interrupted")
    return [meter.end(outcome, error["code"] if error else "", len(text))]
