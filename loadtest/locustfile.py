"""Clients of a Chorus server, all kinds at once, who check what they are answered.

    locust -f loadtest/locustfile.py --host http://127.0.0.1:8000            # its page: port 8089
    locust -f loadtest/locustfile.py --host http://127.0.0.1:8000 --headless --users 20 \\
        --run-time 2m --shape ramp
    locust -f loadtest/locustfile.py … UploadUser AsrUser                    # these kinds alone
    locust -f loadtest/locustfile.py --master --expect-workers 2 …           # on one machine
    locust -f loadtest/locustfile.py --worker --master-host HOST             # on each of two

An answer with too many wrong words is a failed request; a run with too many ends in 1.
"""

import logging
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # Locust puts only this folder there

from locust import LoadTestShape, events
from locust.env import Environment

from loadtest.users.jobs import JobUser
from loadtest.users.live import AsrUser, OpUser, RealtimeUser
from loadtest.users.options import options_of, speech_of
from loadtest.users.records import WordCount, count_words
from loadtest.users.shapes import users_at
from loadtest.users.uploads import SseUser, UploadUser

__all__ = ["AsrUser", "JobUser", "OpUser", "RealtimeUser", "SseUser", "UploadUser"]

_AT_ONCE = 1000.0
"""Users a second: all of them."""

log = logging.getLogger(__name__)
_counts: dict[Environment, WordCount] = {}


class Shape(LoadTestShape):
    """The one that `--shape` names."""

    use_common_options = True

    def tick(self) -> tuple[int, float] | None:
        assert self.runner is not None
        options = options_of(self.runner.environment)
        peak = int(options.num_users or 1)
        length_s = float(options.run_time or 0)
        count = users_at(options.shape, self.get_run_time(), peak=peak, length_s=length_s)
        if count is not None:
            return count, float(options.spawn_rate or peak)
        # A master that quits does not wait for its workers: their users end first.
        over_s = self.get_run_time() - length_s
        is_waiting = self.runner.user_count and over_s < float(options.stop_timeout or 0.0)
        return (0, _AT_ONCE) if is_waiting else None


@events.init.add_listener
def begin(environment: Environment, **_: Any) -> None:
    _counts[environment] = count_words(environment)


@events.test_start.add_listener
def prepare(environment: Environment, **_: Any) -> None:
    speech_of(environment)  # before anybody waits for it


@events.quitting.add_listener
def judge(environment: Environment, **_: Any) -> None:
    words = _counts[environment]
    if not words.num_words:
        return
    log.info("words: %s of %s wrong, %.1f%%", words.num_wrong, words.num_words,
             100 * words.error_rate)  # fmt: skip
    if words.error_rate > float(options_of(environment).max_run_error_rate):
        environment.process_exit_code = 1
