"""The engine behind LitServe with its batching: `max_batch_size`, `batch_timeout`, and the faster
of its two queues. A batch of it costs what its longest row makes of it, as anywhere else."""

from typing import Any

import litserve  # type: ignore[import-untyped]  # ships no stubs
from fastapi import Request

from loadtest.bench.rivals.engine import engine, parser, recognized, request_of
from serve_app.models.protocols import RecognitionRequest


class Transcription(litserve.LitAPI):  # type: ignore[misc]  # as above
    """One worker, for there is one engine."""

    def __init__(self, fixed_s: float, per_audio_s: float, **options: Any) -> None:
        super().__init__(**options)
        self._cost = fixed_s, per_audio_s

    def setup(self, device: str) -> None:
        self._model = engine(*self._cost)

    def decode_request(self, request: Request) -> RecognitionRequest:
        # What arrives here is the form, which has travelled to the worker's process.
        return request_of(request["file"].file.read())

    def batch(self, inputs: list[RecognitionRequest]) -> list[RecognitionRequest]:
        return inputs

    def predict(self, batch: list[RecognitionRequest]) -> list[dict[str, object]]:
        return recognized(self._model, batch)

    def unbatch(self, output: list[dict[str, object]]) -> list[dict[str, object]]:
        return output

    def encode_response(self, output: dict[str, object]) -> dict[str, object]:
        return output


def main() -> None:
    args = parser(str(__doc__)).parse_args()
    api = Transcription(
        args.fixed_s,
        args.per_audio_s,
        max_batch_size=args.max_batch_size,
        batch_timeout=args.batch_timeout_s,
        api_path="/v1/audio/transcriptions",
    )
    server = litserve.LitServer(
        api, accelerator="cpu", workers_per_device=1, timeout=False, fast_queue=True
    )
    server.run(
        host="127.0.0.1", port=args.port, num_api_servers=1, generate_client_file=False,
        log_level="warning", access_log=False,
    )  # fmt: skip


if __name__ == "__main__":
    main()
