"""The engine behind plain FastAPI: one request at a time, as most tutorials have it."""

import asyncio

import uvicorn
from fastapi import FastAPI, UploadFile

from loadtest.bench.rivals.engine import engine, parser, recognized, request_of


def main() -> None:
    args = parser(str(__doc__)).parse_args()
    model = engine(args.fixed_s, args.per_audio_s)
    turn = asyncio.Lock()
    app = FastAPI()

    @app.post("/v1/audio/transcriptions")
    async def transcribe(file: UploadFile) -> dict[str, object]:
        request = request_of(await file.read())
        async with turn:
            return (await asyncio.to_thread(recognized, model, [request]))[0]

    uvicorn.run(app, host="127.0.0.1", port=args.port, log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
