"""A replica in the same process that can die, and go deaf: all of one but Ray's calls."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field

from serve_app.deployments.streaming.attachment import Attachment, Push, Pushed, Told
from serve_app.deployments.streaming.slots import Slots
from serve_app.pipelines.streaming.host import SlotLostError
from tests.deployments.echo import EchoRecognizer


def _set() -> asyncio.Event:
    event = asyncio.Event()
    event.set()
    return event


@dataclass
class LocalReplica:
    """See `Replica`."""

    model: EchoRecognizer
    slots: Slots
    lease_s: float = 10.0
    pushes: list[Push] = field(default_factory=list)
    heard: asyncio.Queue[Push] = field(default_factory=asyncio.Queue)
    died: asyncio.Event = field(default_factory=asyncio.Event)
    may_attach: asyncio.Event = field(default_factory=_set)
    may_answer: asyncio.Event = field(default_factory=_set)
    """Cleared, the replica is deaf to pushes."""
    attached: asyncio.Event = field(default_factory=asyncio.Event)
    attachments: dict[str, Attachment] = field(default_factory=dict)

    async def attach(self, link: str) -> AsyncGenerator[Told, None]:
        await self.may_attach.wait()
        attachment = Attachment(self.slots, self.model.info, lease_s=self.lease_s)
        self.attachments[link] = attachment
        dying = asyncio.ensure_future(self.died.wait())
        dying.add_done_callback(lambda _: attachment.close())
        try:
            async with aclosing(attachment.tell()) as news:
                async for told in news:
                    self.attached.set()
                    yield told
            if self.died.is_set():
                raise SlotLostError("killed")
        finally:
            dying.cancel()
            del self.attachments[link]
            attachment.close()

    async def push(self, link: str, push: Push) -> Pushed:
        self.pushes.append(push)
        self.heard.put_nowait(push)
        await self.may_answer.wait()
        if link not in self.attachments:
            raise SlotLostError("killed")
        return self.attachments[link].take(push)
