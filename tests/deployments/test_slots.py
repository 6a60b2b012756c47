import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from serve_app.deployments.streaming.local import LocalHost, LocalSlot
from serve_app.deployments.streaming.slots import Slots, StepReport
from serve_app.errors import AtCapacityError
from serve_app.models.protocols import ModelBrokenError, StreamOptions
from serve_app.pipelines.streaming.host import SlotFrame, SlotLostError
from tests.deployments.echo import POISON, STEP_BYTES, EchoRecognizer, frame_pcm, word

ENGLISH = StreamOptions("en")


def slots_of(model: EchoRecognizer, **options: int | float | Callable[[StepReport], None]) -> Slots:
    return Slots(model, **{"max_waiting_frames": 64, **options})  # type: ignore[arg-type]


@pytest.fixture
async def model() -> AsyncIterator[EchoRecognizer]:
    model = EchoRecognizer()
    yield model
    model.may_step.set()


@pytest.fixture
async def slots(model: EchoRecognizer) -> AsyncIterator[Slots]:
    slots = slots_of(model)
    yield slots
    await slots.close()


async def hold_a_step(model: EchoRecognizer, slot: LocalSlot) -> None:
    """The model is busy with a frame of `slot` until `may_step` is set."""
    model.may_step.clear()
    model.in_step.clear()
    slot.send(SlotFrame(frame_pcm(0)))
    assert await asyncio.to_thread(model.in_step.wait, 10)


async def says(slot: LocalSlot, numbers: list[int]) -> None:
    texts = [(await slot.receive()).confirmed.split()[-1] for _ in numbers]
    assert texts == [word(frame_pcm(number)) for number in numbers]


async def test_each_frame_gets_one_text_in_order(slots: Slots) -> None:
    slot = await LocalHost([slots]).open(ENGLISH)
    for number in range(20):
        slot.send(SlotFrame(frame_pcm(number), is_last=number == 19))
    texts = [await slot.receive() for _ in range(20)]
    assert [text.confirmed for text in texts] == [
        " ".join(word(frame_pcm(number)) for number in range(count + 1)) for count in range(20)
    ]
    assert [text.ended for text in texts] == [None] * 19 + ["asked"]


async def test_frames_that_wait_meet_in_one_step(model: EchoRecognizer, slots: Slots) -> None:
    host = LocalHost([slots])
    first, *others = [await host.open(ENGLISH) for _ in range(4)]
    await hold_a_step(model, first)
    for slot in others:
        slot.send(SlotFrame(frame_pcm(1)))
    model.may_step.set()
    for slot in others:
        await says(slot, [1])
    assert sorted(map(len, model.steps)) == [1, 3]


async def test_who_has_much_waiting_gets_no_more_into_a_step_than_others(
    model: EchoRecognizer, slots: Slots
) -> None:
    host = LocalHost([slots])
    greedy, modest = await host.open(ENGLISH), await host.open(ENGLISH)
    await hold_a_step(model, greedy)
    for number in range(1, 41):
        greedy.send(SlotFrame(frame_pcm(number)))
    modest.send(SlotFrame(frame_pcm(7)))
    model.may_step.set()
    await says(modest, [7])
    assert len(model.steps) <= 3
    await says(greedy, list(range(41)))


async def test_hundreds_of_streams_each_hear_their_own() -> None:
    model = EchoRecognizer(num_slots=300)
    reports: list[StepReport] = []
    slots = slots_of(model, report=reports.append)
    host = LocalHost([slots])

    async def stream(index: int) -> None:
        slot = await host.open(ENGLISH)
        numbers = [index * 1000 + number for number in range(10)]
        for number in numbers:
            slot.send(SlotFrame(frame_pcm(number)))
        await says(slot, numbers)
        await slot.close()

    await asyncio.gather(*(stream(index) for index in range(300)))
    assert slots.num_in_use == 0
    assert slots.num_free == 300
    assert sum(report.num_streams for report in reports) == 3000
    assert len(reports) < 100
    await slots.close()


async def test_one_stream_too_many_is_refused_and_counts_as_demand(slots: Slots) -> None:
    host = LocalHost([slots])
    taken = [await host.open(ENGLISH) for _ in range(4)]
    with pytest.raises(AtCapacityError):
        await host.open(ENGLISH)
    assert (slots.num_in_use, slots.num_refused) == (4, 1)
    await taken[0].close()
    await host.open(ENGLISH)


async def test_a_stream_in_a_slot_used_before_begins_anew(slots: Slots) -> None:
    host = LocalHost([slots])
    for _ in range(6):
        slot = await host.open(ENGLISH)
        slot.send(SlotFrame(frame_pcm(3)))
        assert (await slot.receive()).confirmed == word(frame_pcm(3))
        await slot.close()


@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(SlotFrame(b"\0"), id="half a sample"),
        pytest.param(SlotFrame(b"\0" * (STEP_BYTES + 2), is_last=True), id="more than a step"),
        pytest.param(SlotFrame(b"\0" * 100), id="less than a step inside a segment"),
    ],
)
async def test_a_frame_that_does_not_fit_ends_its_stream_alone(
    slots: Slots, frame: SlotFrame
) -> None:
    host = LocalHost([slots])
    bad, good = await host.open(ENGLISH), await host.open(ENGLISH)
    bad.send(frame)
    good.send(SlotFrame(frame_pcm(1)))
    with pytest.raises(SlotLostError, match="frame"):
        await bad.receive()
    await says(good, [1])
    assert slots.num_in_use == 1


async def test_a_flood_ends_its_stream_alone(model: EchoRecognizer, slots: Slots) -> None:
    host = LocalHost([slots])
    flooding, good = await host.open(ENGLISH), await host.open(ENGLISH)
    await hold_a_step(model, good)
    for number in range(65):
        flooding.send(SlotFrame(frame_pcm(number)))
    with pytest.raises(SlotLostError, match="more than 64 frames"):
        await flooding.receive()
    model.may_step.set()
    await says(good, [0])


async def test_what_the_model_does_not_take_is_lost_alone(slots: Slots) -> None:
    host = LocalHost([slots])
    strange, good = await host.open(StreamOptions("xx")), await host.open(ENGLISH)
    good.send(SlotFrame(frame_pcm(1)))
    with pytest.raises(SlotLostError, match="no such language"):
        await strange.receive()
    await says(good, [1])


async def test_a_step_that_fails_loses_its_streams_and_the_second_time_the_guilty_one_alone(
    model: EchoRecognizer, slots: Slots
) -> None:
    host = LocalHost([slots])
    for is_second in (False, True):
        poisoned, good = await host.open(ENGLISH), await host.open(ENGLISH)
        held = await host.open(ENGLISH)
        await hold_a_step(model, held)
        poisoned.send(SlotFrame(POISON))
        good.send(SlotFrame(frame_pcm(1)))
        model.may_step.set()
        await says(held, [0])
        with pytest.raises(SlotLostError, match="the model failed"):
            await poisoned.receive()
        if is_second:
            await says(good, [1])
        else:
            with pytest.raises(SlotLostError, match="the model failed"):
                await good.receive()
        for slot in (good, held):
            await slot.close()
    assert not slots.is_broken
    assert slots.num_in_use == 0


async def test_a_model_that_fails_everybody_is_broken(model: EchoRecognizer, slots: Slots) -> None:
    model.is_broken = True
    host = LocalHost([slots])
    idle = await host.open(ENGLISH)
    for _ in range(8):
        slot = await host.open(ENGLISH)
        slot.send(SlotFrame(frame_pcm(1)))
        with pytest.raises(SlotLostError):
            await slot.receive()
    assert slots.is_broken
    with pytest.raises(SlotLostError):
        await idle.receive()
    with pytest.raises(ModelBrokenError):
        slots.occupy(ENGLISH, lambda _: None)


async def test_a_step_that_hangs_can_be_told(model: EchoRecognizer, slots: Slots) -> None:
    assert slots.busy_for_s == 0.0
    await hold_a_step(model, await LocalHost([slots]).open(ENGLISH))
    assert slots.busy_for_s > 0.0


async def test_a_local_replica_can_drain_or_die_and_another_takes_its_streams() -> None:
    first, second = slots_of(EchoRecognizer()), slots_of(EchoRecognizer())
    host = LocalHost([first, second])
    slots = [await host.open(ENGLISH) for _ in range(2)]
    host.drain(first)
    assert sorted(slot.is_leaving for slot in slots) == [False, True]
    await host.kill(first)
    leaving = next(slot for slot in slots if slot.is_leaving)
    with pytest.raises(SlotLostError):
        await leaving.receive()
    with pytest.raises(SlotLostError):
        leaving.send(SlotFrame(frame_pcm(1)))
    again = await host.open(ENGLISH)
    again.send(SlotFrame(frame_pcm(1)))
    await says(again, [1])
    await host.close()
