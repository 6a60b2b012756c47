"""No engine and no server of ours: what uvicorn and FastAPI take to read the same upload."""

import uvicorn
from fastapi import FastAPI, UploadFile

from loadtest.bench.rivals.engine import parser


def main() -> None:
    args = parser(str(__doc__)).parse_args()
    app = FastAPI()

    @app.post("/v1/audio/transcriptions")
    async def read(file: UploadFile) -> dict[str, str]:
        return {"text": str(len(await file.read()))}

    uvicorn.run(app, host="127.0.0.1", port=args.port, log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
