"""An ingress that takes all slots of the model, says how many, and waits to be killed.

python -m tests.graph.rude_ingress ADDRESS_OF_RAY
"""

import asyncio
import sys

import ray

from serve_app.pipelines.streaming.host import SlotFrame
from tests.graph.conftest import CHOIR
from tests.graph.streams import Ingress, taken


async def main() -> None:
    ingress = Ingress(asyncio.get_running_loop())
    await ingress.link(CHOIR)
    slots = await taken(ingress.hosts["choir"])
    for slot in slots:
        slot.send(SlotFrame(b"\1\0" * slot.step_samples))
    print(len(slots), flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    ray.init(address=sys.argv[1], namespace="serve", log_to_driver=False)
    asyncio.run(main())
