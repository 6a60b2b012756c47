"""The wait that is predicted, and who is refused for it; by a clock of the test's own."""

import asyncio
from contextlib import ExitStack

import pytest

from serve_app.errors import AtCapacityError, ModelUnavailableError
from serve_app.ingress.admission.forecast import Forecast
from serve_app.pipelines.load import Load, ModelLoad

pytestmark = pytest.mark.asyncio

CHUNK_S = 30.0


class Scene:
    """A forecast for two models, a clock, and preprocessors that tell what the test says."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.answers: list[Load | Exception] = []
        self.num_asked = 0
        self.forecast = Forecast(
            {"one": CHUNK_S, "two": CHUNK_S},
            max_wait_s=10.0,
            ask=self.ask,
            clock=lambda: self.now_s,
        )

    async def ask(self) -> Load:
        self.num_asked += 1
        answer = self.answers.pop(0) if self.answers else ModelUnavailableError("it", 1.0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def hear(self, *models: ModelLoad, replica: str = "a") -> None:
        """Let a second pass, and a preprocessor be heard."""
        self.now_s += 1.0
        self.answers.append(Load(replica, models))
        await self.refresh()

    async def refresh(self) -> None:
        self.forecast.refresh()
        for _ in range(5):  # its task needs a few rounds of the loop
            await asyncio.sleep(0)

    def admitted(self, model: str, audio_s: float, inside: ExitStack) -> int:
        """How many recordings of one length are let in before one is refused."""
        for number in range(10_000):
            try:
                inside.enter_context(self.forecast.place(model, audio_s))
            except AtCapacityError:
                return number
        raise AssertionError("nobody is refused")


def idle(model: str, audio_s_per_s: float | None) -> ModelLoad:
    return ModelLoad(model, 0, 0.0, audio_s_per_s)


async def test_without_information_everybody_is_let_in() -> None:
    scene = Scene()
    with ExitStack() as inside:
        for _ in range(1_000):
            inside.enter_context(scene.forecast.place("one", 3600.0))
        with scene.forecast.arriving(10**9):
            pass


async def test_as_much_is_let_in_as_is_done_in_the_longest_wait() -> None:
    """Ten seconds at 60 audio seconds per second are 600: twenty of 30 s wait, and one more."""
    scene = Scene()
    await scene.hear(idle("one", 60.0), idle("two", 60.0))
    with ExitStack() as inside:
        assert scene.admitted("one", 30.0, inside) == 21
        with scene.forecast.place("two", 30.0):
            pass
    with scene.forecast.place("one", 30.0):  # all have left
        pass


async def test_who_is_refused_is_told_when_it_would_fit() -> None:
    scene = Scene()
    await scene.hear(ModelLoad("one", 100, 1500.0, 60.0))
    with pytest.raises(AtCapacityError) as caught, scene.forecast.place("one", 30.0):
        pass
    assert caught.value.retry_after_s == pytest.approx(1500 / 60 - 10)
    await scene.hear(ModelLoad("one", 10_000, 1e6, 60.0))
    with pytest.raises(AtCapacityError) as caught, scene.forecast.place("one", 30.0):
        pass
    assert caught.value.retry_after_s == 60.0
    await scene.hear(ModelLoad("one", 100, 601.0, 60.0))
    with pytest.raises(AtCapacityError) as caught, scene.forecast.place("one", 30.0):
        pass
    assert caught.value.retry_after_s == 1.0


async def test_a_short_one_is_let_in_behind_long_ones_and_a_long_one_is_not() -> None:
    scene = Scene()
    await scene.hear(idle("one", 60.0))
    with ExitStack() as inside:
        inside.enter_context(scene.forecast.place("one", 14_400.0))
        with pytest.raises(AtCapacityError), scene.forecast.place("one", 14_400.0):
            pass
        assert scene.forecast.wait_s("one", 2.0) == CHUNK_S / 60.0
        inside.enter_context(scene.forecast.place("one", 2.0))


async def test_what_other_ingresses_sent_is_counted_and_ones_own_not_twice() -> None:
    scene = Scene()
    with ExitStack() as inside:
        for _ in range(5):
            inside.enter_context(scene.forecast.place("one", 30.0))
        await scene.hear(ModelLoad("one", 5, 150.0, 60.0))
        assert scene.forecast.wait_s("one", 30.0) == pytest.approx(150 / 60)
        await scene.hear(ModelLoad("one", 15, 450.0, 60.0))
        assert scene.forecast.wait_s("one", 30.0) == pytest.approx(450 / 60)


async def test_preprocessors_add_up_and_one_that_is_gone_is_forgotten() -> None:
    scene = Scene()
    await scene.hear(idle("one", 60.0), replica="a")
    await scene.hear(ModelLoad("one", 3, 90.0, 40.0), replica="b")
    assert scene.forecast.wait_s("one", 30.0) == pytest.approx(90 / 100)
    for _ in range(25):
        await scene.hear(ModelLoad("one", 3, 90.0, 40.0), replica="b")
    assert scene.forecast.wait_s("one", 30.0) == pytest.approx(90 / 40)


async def test_after_a_pause_the_rate_is_kept_and_the_work_is_not() -> None:
    scene = Scene()
    await scene.hear(ModelLoad("one", 1_000, 30_000.0, 60.0))
    scene.now_s += 600.0
    assert scene.forecast.wait_s("one", 30.0) == 0.0
    with ExitStack() as inside:
        assert scene.admitted("one", 30.0, inside) == 21


async def test_uploads_on_their_way_count_for_those_behind_them() -> None:
    scene = Scene()
    await scene.hear(idle("one", 60.0), idle("two", 60.0))
    with ExitStack() as inside:
        # 30 s of PCM each
        first, *_ = [inside.enter_context(scene.forecast.arriving(960_000)) for _ in range(21)]
        with pytest.raises(AtCapacityError), scene.forecast.arriving(960_000):
            pass
        first()  # its body is there
        with scene.forecast.arriving(960_000):
            pass


async def test_an_upload_is_refused_unread_only_if_every_model_is_too_busy() -> None:
    scene = Scene()
    busy = ModelLoad("one", 100, 3000.0, 60.0)
    await scene.hear(busy, idle("two", 60.0))
    with scene.forecast.arriving(960_000):
        pass
    await scene.hear(busy, ModelLoad("two", 100, 3000.0, 60.0))
    with pytest.raises(AtCapacityError), scene.forecast.arriving(960_000):
        pass


async def test_preprocessors_are_asked_once_a_second_and_may_fail() -> None:
    scene = Scene()
    scene.answers = [ModelUnavailableError("the preprocessor", 1.0), Load("a")]
    for _ in range(3):
        await scene.refresh()
    assert scene.num_asked == 1
    scene.now_s += 1.0
    for _ in range(3):
        await scene.refresh()
    assert scene.num_asked == 2


async def test_nobody_waits_for_a_preprocessor_that_does_not_answer() -> None:
    scene = Scene()

    async def never() -> Load:
        scene.num_asked += 1
        await asyncio.Event().wait()
        raise AssertionError

    forecast = Forecast({"one": 30.0}, max_wait_s=10.0, ask=never, clock=lambda: scene.now_s)
    for _ in range(5):
        scene.now_s += 1.0
        with forecast.arriving(1_000):
            await asyncio.sleep(0)
    assert scene.num_asked == 1
    assert forecast._asking is not None
    forecast._asking.cancel()
