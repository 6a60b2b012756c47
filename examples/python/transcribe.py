"""A file's text, by OpenAI's own SDK: `python transcribe.py FILE [--url URL]`."""

import argparse

from openai import OpenAI

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("file")
parser.add_argument("--url", default="http://127.0.0.1:8000")
args = parser.parse_args()

client = OpenAI(base_url=f"{args.url}/v1", api_key="none")
with open(args.file, "rb") as audio:
    transcript = client.audio.transcriptions.create(
        model="whisper-1",  # OpenAI's names mean the server's default model
        file=audio,
        response_format="verbose_json",
        timestamp_granularities=["word"],
    )
print(transcript.text)
for word in transcript.words or ():
    print(f"{word.start:6.2f} {word.end:6.2f}  {word.word}")
