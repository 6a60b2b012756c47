"""A model for recordings that sleeps while nobody asks, through the whole graph."""

from concurrent.futures import ThreadPoolExecutor

from tests.graph.conftest import Server, eventually
from tests.graph.recordings import speech_wav

LIMIT_S = 120.0


def test_a_model_scaled_to_zero_comes_up_for_a_recording_grows_with_the_audio_and_sleeps_again(
    running_server: Server,
) -> None:
    # It is asked what it can do until it has said so once.
    eventually(lambda: running_server.get("/ready").status_code == 200, within_s=LIMIT_S)
    eventually(lambda: not running_server.replicas("dozing"), within_s=LIMIT_S)
    for _ in range(5):
        assert running_server.get("/ready").status_code == 200
    assert not running_server.replicas("dozing")  # nobody has woken it

    def transcribe(duration_s: float) -> str:
        audio = ("a.wav", speech_wav(duration_s))
        return running_server.openai.audio.transcriptions.create(file=audio, model="dozing").text

    assert transcribe(1.0)
    with ThreadPoolExecutor(4) as pool:
        # 160 s of audio at four a second, where five seconds of wait are meant
        answers = [pool.submit(transcribe, 40.0) for _ in range(4)]
        eventually(lambda: len(running_server.replicas("dozing")) == 2, within_s=LIMIT_S)
        assert all(answer.result(LIMIT_S) for answer in answers)
    eventually(lambda: not running_server.replicas("dozing"), within_s=LIMIT_S)
