"""Every message that crosses a link: the table that both ends share, and the limits.

What workers are told and say is in ``workermessages``, and can be had from here.

A *message* is a ``NamedTuple`` below; ``frames`` makes bytes of them.
"""

from typing import Any, Dict, List, NamedTuple, Optional

# Also what workers say and are told: `messages` is the one name for all of it.
from pytest_remotest.workermessages import *  # noqa: F403  as said
from pytest_remotest.workermessages import WORKER_MESSAGES

PROTOCOL = 1  # Raised with every change of a frame or message that an older peer would misread.

MAX_FRAME_BYTES = 16 * 1024 * 1024  # A larger frame is a broken or hostile peer, never ours.
MAX_MESSAGE_BYTES = 8 * 1024 * 1024  # Of one message as JSON: what is larger is cut or split.
MAX_BATCH_BYTES = 1024 * 1024  # Messages wait for each other up to here, then their frame goes.
MAX_OUTPUT_CHARS = 256 * 1024 * 1024  # Of a workeroutput: plugins leave whole reports there.
MAX_BUILD_S = 1800  # For the wheel of one source: the largest compile for a quarter of an hour.
MAX_BATCH_ITEMS = 5000  # List items we put into a message: keeps frames far below the limit.


class ProtocolError(Exception):
    """The peer sent bytes that are no valid frame. Never raised for our own mistakes."""


# -- agent -> controller ---------------------------------------------------------------------


class Greeting(NamedTuple):
    """First message of an agent: who it is. ``info`` is described in ``describe``."""

    protocol: int
    info: Dict[str, Any]


class Pong(NamedTuple):
    """Answer to Ping. It is sent by itself as well while a full disk or pipe holds an agent up."""


class SyncWant(NamedTuple):
    """Digests (sha256, hex) of what the host lacks; ``last`` ends the list.

    That is the manifest itself where it is not known there; then the contents follow in another
    list. ``encodings`` are what the host can unpack, the best first, as in ``packing``.
    """

    digests: List[str]
    last: bool
    encodings: List[str]


class AheadTaken(NamedTuple):
    """Answer to AskAhead: whether SyncAhead may follow. ``encodings`` as in SyncWant."""

    is_taken: bool
    encodings: List[str]


class SyncDone(NamedTuple):
    """The tree on the host equals the manifest. ``tree`` is its absolute path, as text."""

    tree: str
    notes: List[str]


class SyncFailed(NamedTuple):
    """The tree could not be made; the run cannot start on this host."""

    reason: str
    remedy: str


class Room(NamedTuple):
    """Answer to AskRoom. ``place`` is a directory that exists: the tree's, or one above it.

    ``free_files`` is None where the disk does not count them.
    """

    place: str
    total_bytes: int
    free_bytes: int
    free_files: Optional[int]


class EnvWant(NamedTuple):
    """Digests (sha256, hex) of the files of an EnvOpen that the host lacks; each once."""

    digests: List[str]


class EnvDone(NamedTuple):
    """The environment stands whole. ``folder`` is its absolute path, as text.

    ``was_built``: it was made now, and not found. ``packages`` is name -> version, as there.
    """

    folder: str
    was_built: bool
    packages: Dict[str, str]
    notes: List[str]


class EnvFailed(NamedTuple):
    """The environment could not be made; the run cannot start with this interpreter."""

    reason: str
    remedy: str


class BuildFailed(NamedTuple):
    """The wheel of this row could not be built. ``log`` is the end of what the build printed."""

    key: str
    reason: str
    log: str


class CacheTold(NamedTuple):
    """Answer to AskCache, in parts; ``last`` ends it. ``place`` is the cache, as text.

    ``things`` are rows [kind, key, name, size in bytes, time of the last use, whether it is in
    use], as in ``envstore.Kept``: what is there, or what was removed.
    """

    place: str
    things: List[List[Any]]
    last: bool


class CacheFailed(NamedTuple):
    """Answer to AskCache: the cache cannot be looked at or changed."""

    reason: str
    remedy: str


class WorkerExited(NamedTuple):
    """A worker's process is gone. ``status`` is negative for a signal, as in ``subprocess``.

    ``output`` is the tail of what the process printed outside of pytest's capture. ``killed`` says
    why and how the agent has ended it, in words that follow its name; it is empty where it did not.
    """

    worker: str
    status: int
    output: str
    killed: str = ""


class WorkerOutput(NamedTuple):
    """Something a worker printed outside of pytest's capture, as it came."""

    worker: str
    text: str


class ProcessesLeft(NamedTuple):
    """What still ran when no worker did. Sent after Goodbye, only if there is something.

    ``rows`` are [process id, command line, worker, node id, number of processes below it], as in
    ``leftovers.Left``; what is not known of them is empty. ``of_dead_run``: an earlier run has left
    them, whose agent was killed; then it is sent at the start. All were ended, unless KeepOrphans
    was said. ``more_count`` are those that would have been too many rows.
    """

    rows: List[List[Any]]
    of_dead_run: bool
    more_count: int


# -- controller -> agent ---------------------------------------------------------------------


class ExpectPings(NamedTuple):
    """Leave as if the link had ended when nothing has come for this long."""

    silence_s: float


class WatchWorkers(NamedTuple):
    """Kill a worker that is stopped or frozen for ``stopped_limit_s``. Answers the Greeting.

    And one that has tests to run and says nothing for ``silence_limit_s``, unless that is None.
    """

    stopped_limit_s: float
    silence_limit_s: Optional[float]


class Ping(NamedTuple):
    """Answer with Pong at once, whatever else is under way."""


class SyncOpen(NamedTuple):
    """Begin a tree. ``project`` keys it; ``directory`` overrides its place, ``cache`` the cache.

    The host answers the SyncManifest behind it with SyncWant and has changed nothing so far.
    """

    project: str
    run_uid: str
    cache: Optional[str]
    directory: Optional[str]


class AskAhead(NamedTuple):
    """Say whether files of the tree may come before its manifest, as there is nothing yet."""


class SyncAhead(NamedTuple):
    """Some directories and files that will be in the SyncManifest, as rows of ``entries``.

    What holds another comes first. The contents follow as Blobs, in this order; nobody has asked
    for them. Whatever comes of it is looked at again when the manifest is known.
    """

    rows: List[List[Any]]


class SyncManifest(NamedTuple):
    """Which manifest it is: the digest and the size in bytes of its text, as in ``manifests``.

    A host that has made that tree before has the text. It may also come of the text with the
    digest ``base``, without the lines at the positions ``dropped`` and with those ``added``, and
    with those of all that came in ``SyncAhead``.
    ``contents`` are those of files that a host with that other text cannot have: a ``B`` frame in
    base64, empty without any. They are here, and not behind it, so that a host may drop them.
    """

    digest: str
    size: int
    base: str
    dropped: List[int]
    added: List[str]
    contents: str


class Blob(NamedTuple):
    """Bytes of one file of a tree, of its manifest, or of one wheel, in order.

    ``last`` completes it. It travels in a ``B`` frame, and belongs to what was opened last, a tree
    or an environment: they are brought one after the other.
    """

    digest: str
    last: bool
    data: bytes


class SyncCommit(NamedTuple):
    """Make the tree equal to the manifest as soon as all wanted blobs are there, then SyncDone.

    It is sent right behind the SyncManifest, so that a tree that lacks nothing costs one round
    trip. Without it the host only says what it would want. Unless the tree is ``held``, another run
    may have it from SyncDone on.
    """

    held: bool


class AskRoom(NamedTuple):
    """Tell how much room there is where SyncOpen would put a tree; SyncFailed if that is unknown.

    Nothing is changed by it.
    """

    cache: Optional[str]
    directory: Optional[str]


class HoldTree(NamedTuple):
    """Lease a tree that another agent of this run has synced on the same host."""

    tree: str


class EnvOpen(NamedTuple):
    """Make or find the environment of this interpreter that consists of these wheels.

    ``key`` names it among those of the cache, ``cache`` overrides the cache's place. ``wheels`` are
    rows [sha256, file name, size in bytes]. ``fresh``: it is made for this run alone, and removed
    after it. The host answers with EnvWant, and once every wanted file has come as a Blob with
    EnvDone; where nothing is wanted EnvDone follows at once.

    ``builds`` are rows [key, name, version, row of the source, backend, its path, variables, rows
    of wheels] of further wheels, as in ``wheelbuild.Build``: what is not there under its key is
    built, within MAX_BUILD_S each. ``tags`` are those of the wheels that the interpreter can have,
    where there are builds.
    """

    key: str
    cache: Optional[str]
    wheels: List[List[Any]]
    fresh: bool
    builds: List[List[Any]]
    tags: List[str]


class AskCache(NamedTuple):
    """Tell what is kept for later runs, or remove some of it. Answered with CacheTold.

    ``action`` is ``list``; ``collect``, to remove what is old and what is too much; or ``remove``,
    for the ``things`` named by rows [kind, key]. What is in use is never removed.
    """

    cache: Optional[str]
    action: str
    things: List[List[Any]]


class SpawnWorker(NamedTuple):
    """Start a pytest process, in a ``way`` of ``options.WAYS``; where that cannot be, as ``spawn``.

    ``python_path`` are directories to put first on sys.path; with ``whole_path`` they *are*
    sys.path. ``worker_input`` is packed (see ``values.pack``). ``env_folder`` is the ``folder`` of
    an EnvDone, or None for the agent's own interpreter as it is. ``overlay`` are rows [name, text]
    of files (``demo.pth``, ``demo-1.0.dist-info/METADATA``) that this run sees in site-packages.
    ``extensions_folder`` is the ``folder`` of another EnvDone: the compiled modules in it are the
    project's, and found behind all others; None where it has none.
    """

    worker: str
    arguments: List[str]
    directory: str
    environment: Dict[str, str]
    python_path: List[str]
    whole_path: bool
    nice: int
    worker_input: Any
    env_folder: Optional[str]
    overlay: List[List[Any]]
    extensions_folder: Optional[str]
    way: str


class StopWorker(NamedTuple):
    """Send a signal to a worker's process group."""

    worker: str
    signal: int


class KeepOrphans(NamedTuple):
    """Leave what workers have started and not ended, after them. Said before SpawnWorker."""


class Goodbye(NamedTuple):
    """The run is over: end every process of it, release the tree, exit."""


MESSAGES = (
    Greeting, Pong, SyncWant, AheadTaken, SyncDone, SyncFailed, Room, EnvWant, EnvDone, EnvFailed,
    BuildFailed, CacheTold, CacheFailed, WorkerExited, WorkerOutput, ProcessesLeft,
    ExpectPings, WatchWorkers, Ping, SyncOpen, AskAhead, SyncAhead, SyncManifest, Blob, SyncCommit,
    AskRoom, HoldTree, EnvOpen, AskCache, SpawnWorker, StopWorker, KeepOrphans, Goodbye,
    *WORKER_MESSAGES,
)  # fmt: skip
