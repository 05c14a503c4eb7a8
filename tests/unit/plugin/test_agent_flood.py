"""An agent to which more comes, and sooner, than it can handle."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

PLUGIN: Final = Path(__file__).resolve().parents[3] / "plugin"

WAIT_S: Final = 60.0

# The pipe that wakes the agent has room for less than the frames that come.
AGENT: Final = """\
import fcntl, os, threading

def small_pipe(make=os.pipe):
    ends = make()
    fcntl.fcntl(ends[1], 1031, 4096)  # F_SETPIPE_SZ
    return ends

os.pipe = small_pipe

from pytest_remotest import frames, messages
from pytest_remotest.agent import MAX_WAITING_FRAMES, Agent

COUNT = 6000


class Channel:  # Takes an answer only when as many more questions wait as may.
    sent = taken_in = 0
    changed = threading.Condition()

    def send(self, frame):
        waiting = min(COUNT, self.sent + MAX_WAITING_FRAMES)  # The greeting answers nothing.
        self.sent += 1
        with self.changed:
            assert self.changed.wait_for(lambda: self.taken_in >= waiting, 30)

    def setcallback(self, callback, endmarker):
        threading.Thread(target=self.feed, args=(callback, endmarker)).start()

    def feed(self, callback, endmarker):
        frame = frames.encode([messages.AskRoom(directory="/", cache=None)])
        for _ in range(COUNT):
            callback(frame)
            with self.changed:
                self.taken_in += 1
                self.changed.notify()
        callback(endmarker)


channel = Channel()
Agent(channel).run()
print(channel.sent - COUNT)
"""


def test_what_comes_faster_than_it_is_handled_is_handled() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", AGENT],
        env={"PYTHONPATH": str(PLUGIN)},
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        check=False,
    )
    assert (ended.stdout, ended.stderr) == ("1\n", "")  # The greeting, and an answer to each.
