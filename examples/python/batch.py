"""Many recordings that nobody waits for: `python batch.py FILE... [--url URL]`.

Each is a job: it survives a restart of the server, and of this program, if you keep its number.
"""

import argparse

from serve_app.client import Client

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("files", nargs="+")
parser.add_argument("--url", default="http://127.0.0.1:8000")
args = parser.parse_args()

with Client(args.url) as client:
    jobs = {path: client.jobs.submit([path]) for path in args.files}
    for path, job in jobs.items():
        ended = client.jobs.wait(job.id)
        if ended.status == "completed":
            print(path, client.jobs.transcript(job.id)["text"], sep="\t")
        else:
            print(path, ended.status, ended.error, sep="\t")
