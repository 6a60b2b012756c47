"""Segments and transcripts leave a preprocessor in the wording that their client asked for."""

from collections.abc import Sequence
from pathlib import Path

from serve_app.config import PreprocessorConfig
from serve_app.models.protocols import ModelInfo, RecognitionOptions, RecognitionRequest
from serve_app.pipelines.transcription import TranscriptionRequest, Wording
from serve_app.transcript.types import Hypothesis, Transcript
from tests.deployments.local_graph import local_preprocessor
from tests.deployments.test_preprocessor import MODEL
from tests.graph.recordings import speech_wav


class TalkativeRecognizer:
    """Says one thing, whatever it hears."""

    def __init__(self) -> None:
        self.info = ModelInfo("model", "test", ("en",))

    def prepare(self, requests: Sequence[RecognitionRequest]) -> object:
        return len(requests)

    def recognize(self, prepared: object) -> list[Hypothesis]:
        assert isinstance(prepared, int)
        return [Hypothesis("twenty one damn cats", language="en")] * prepared


async def test_numbers_and_masks_are_the_same_in_events_and_in_the_whole(tmp_path: Path) -> None:
    listed = tmp_path / "words.txt"
    listed.write_text("damn\n")
    config = PreprocessorConfig(num_decoders=2, profanity_file=str(listed))
    said = {
        Wording(): "twenty one damn cats",
        Wording(numbers=True): "21 damn cats",
        Wording(numbers=True, mask_profanity=True): "21 d*** cats",
    }
    async with local_preprocessor(MODEL, config, recognizer=TalkativeRecognizer()) as preprocessor:
        for wording, text in said.items():
            request = TranscriptionRequest("model", RecognitionOptions(), wording=wording)
            parts = [part async for part in preprocessor.stream(speech_wav(1.0), request)]
            assert [part.text for part in parts] == [text, text]
            assert isinstance(parts[-1], Transcript)
