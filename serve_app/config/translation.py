"""Conversations: speech that is translated while it is spoken."""

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from serve_app.config.settings import Settings


class TranslationConfig(Settings):
    """How conversations are cut into utterances, and what one may hold. What is not set here is as
    for all live streams (`streams`)."""

    max_utterance_s: float = Field(default=30.0, gt=1.0, le=300.0)
    """What somebody says for longer without a pause is cut, in the quietest place of its last
    third."""
    quiet_s: PositiveFloat = 0.9
    """Without any audio arriving, after which an utterance has ended, on `/ws/translate`."""
    max_under_way: PositiveInt = 4
    """Utterances of one conversation that are heard and not told; while there are so many, no more
    is heard."""
    patience_s: PositiveFloat = 30.0
    """For room at the model, or at a voice, each time that one is asked for an utterance; then it
    has failed, and the conversation goes on."""
    idle_timeout_s: PositiveFloat = 300.0
    """As that of `streams`: who speaks by turns may say nothing for a while, and holds no slot.
    Conversations over a model for live streams do hold one, and are ruled by `streams`."""
    min_pace: NonNegativeFloat = 0.005
    """As that of `streams`: two seconds of audio in five minutes of waiting."""
