"""The host's side of bringing an environment here: what wheels it lacks is asked for, by digest."""

import contextlib
import hashlib
import os
import re
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Tuple

from pytest_remotest import cachefolder, cleaning, envbuild, envstore, faults, messages, wheelnames
from pytest_remotest.entries import to_text
from pytest_remotest.envbuild import WheelFile
from pytest_remotest.envstore import Environment, EnvStore
from pytest_remotest.faults import Refused
from pytest_remotest.incoming import Incoming
from pytest_remotest.messages import ProtocolError
from pytest_remotest.wheelnames import WheelError

MAX_WHEELS = 5000  # Of an environment: their digests are one message. The largest have hundreds.
NOEXEC_NOTE = "%s is mounted noexec: tests cannot start programs that come with packages"
READ_BYTES = 1024 * 1024  # Of a wheel that is checked, at once.

_KEY = re.compile(r"[0-9a-f]{8,64}")
_DIGEST = re.compile(r"[0-9a-f]{64}")


class Builder:
    """Brings one environment after another, and holds all of them until ``release``.

    Args:
        send: takes one message for the controller.
        environ: where HOME and XDG_CACHE_HOME are looked up.
    """

    def __init__(
        self, send: Callable[[Any], None], environ: Mapping[str, str] = os.environ
    ) -> None:
        self._send = send
        self._environ = environ
        self._held: List[Tuple[EnvStore, Environment]] = []
        self._stores: Dict[bytes, EnvStore] = {}
        self._order: Optional[_Order] = None

    # -- from the controller -----------------------------------------------------------------

    def open(self, message: messages.EnvOpen) -> None:
        """Find the environment, or ask for the wheels that it takes and that are not here."""
        self._forget()
        wheels = [_wheel(row) for row in message.wheels]
        if not _KEY.fullmatch(message.key) or len(wheels) > MAX_WHEELS:
            raise ProtocolError("%.80r is no environment" % (message.key,))
        with self._telling_failures():
            root, notes = cachefolder.find(cachefolder.ROOT, message.cache, self._environ)
            if cachefolder.is_noexec(root):
                notes.append(NOEXEC_NOTE % to_text(root))
            store = self._stores.setdefault(root, EnvStore(root))
            found = None if message.fresh else store.find(message.key)
            if found is not None:
                self._send(messages.EnvWant([]))
                self._hold(store, found, notes, was_built=False)
                return
            self._order = _Order(store, message.key, wheels, message.fresh, notes)
            self._send(messages.EnvWant(list(self._order.lacking)))
            self._build_if_complete(self._order)

    def blob(self, message: messages.Blob) -> None:
        """Take a piece of a wheel that was asked for. After a failure it is dropped."""
        order = self._order
        if order is not None:
            with self._telling_failures():
                order.take(message)
                self._build_if_complete(order)

    def release(self) -> None:
        """Let go of everything: others may remove it. What is fresh or too old is removed."""
        self._forget()
        with contextlib.suppress(OSError):  # The disk is gone, and with it what we held.
            while self._held:
                store, environment = self._held.pop()
                store.let_go(environment)
            for store in self._stores.values():
                cleaning.clean(store, cleaning.BUDGET_S)
        self._stores.clear()

    # -- to the controller -------------------------------------------------------------------

    def _build_if_complete(self, order: "_Order") -> None:
        if order.lacking:
            return
        # Another run may have built the same while its wheels came here.
        found = None if order.is_fresh else order.store.find(order.key)
        environment = found or envbuild.build(
            order.store, order.key, order.wheels, fresh=order.is_fresh
        )
        self._forget()
        self._hold(order.store, environment, order.notes, was_built=found is None)

    def _hold(
        self, store: EnvStore, environment: Environment, notes: List[str], *, was_built: bool
    ) -> None:
        self._held.append((store, environment))
        folder = to_text(environment.folder)
        self._send(messages.EnvDone(folder, was_built, environment.packages, notes))

    def _forget(self) -> None:
        if self._order is not None:
            self._order.close()
            self._order = None

    @contextlib.contextmanager
    def _telling_failures(self) -> Iterator[None]:
        """Send EnvFailed for what goes wrong here, and drop the rest of this environment."""
        try:
            yield
        except WheelError as error:
            self._fail(error.reason, "see whether that wheel is whole, and its index to be trusted")
        except Refused as error:
            self._fail(error.reason, error.remedy)
        except OSError as error:
            self._fail(*faults.of_the_disk(error))

    def _fail(self, reason: str, remedy: str) -> None:
        self._forget()
        self._send(messages.EnvFailed(reason, remedy))


class _Order:
    """An environment that is to be built, and the wheels for it that are still under way.

    ``lacking`` has those by digest.
    """

    def __init__(
        self, store: EnvStore, key: str, wheels: List[WheelFile], fresh: bool, notes: List[str]
    ) -> None:
        self.store = store
        self.key = key
        self.wheels = wheels
        self.is_fresh = fresh
        self.notes = notes
        self._incoming: Optional[Incoming] = None
        self._arriving = b""
        self._lease = store.leases.take(envstore.WHEELS)
        self.lacking = {wheel.digest: wheel for wheel in wheels if not self._is_here(wheel)}

    def take(self, message: messages.Blob) -> None:
        """Take a piece of a wheel; the last of it makes it one that is here."""
        wheel = self.lacking.get(message.digest)
        if wheel is None:
            raise ProtocolError("the blob %.80r was not asked for" % (message.digest,))
        if self._incoming is None:
            self._arriving = self.store.arrival_place(wheel.digest)
            self._incoming = Incoming(wheel.digest, wheel.size, self._arriving)
        self._incoming.write(message)
        if message.last:
            self._incoming.close()
            self._incoming = None
            os.replace(self._arriving, self.store.wheel_path(wheel.digest, wheel.filename))
            del self.lacking[message.digest]

    def close(self) -> None:
        """Let go of the wheels."""
        if self._incoming is not None:
            self._incoming.abandon()
            self._incoming = None
        self.store.leases.let_go(self._lease)

    def _is_here(self, wheel: WheelFile) -> bool:
        path = self.store.wheel_path(wheel.digest, wheel.filename)
        checksum = hashlib.sha256()
        try:
            os.utime(path)  # It was used last now.
            with open(path, "rb") as file:
                for piece in iter(lambda: file.read(READ_BYTES), b""):
                    checksum.update(piece)
        except FileNotFoundError:
            return False
        # Not whole: the disk was full, or the power went off, when it was written.
        return checksum.hexdigest() == wheel.digest


def _wheel(row: List[Any]) -> WheelFile:
    if [type(field) for field in row] != [str, str, int]:
        raise ProtocolError("%.80r is no row of a wheel" % (row,))
    wheel = WheelFile(*row)
    try:
        wheelnames.check_path(wheel.filename)
        wheelnames.name_and_version(wheel.filename)
    except WheelError as error:
        raise ProtocolError(error.reason) from error
    if not _DIGEST.fullmatch(wheel.digest) or wheel.size < 0:
        raise ProtocolError("%.80r is no digest of a wheel" % wheel.digest)
    return wheel
