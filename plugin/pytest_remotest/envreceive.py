"""The host's side of bringing an environment here: what wheels it lacks is asked for, by digest."""

import contextlib
import os
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Tuple

from pytest_remotest import cachefolder, cleaning, envbuild, faults, messages
from pytest_remotest.entries import to_text
from pytest_remotest.envorder import Order
from pytest_remotest.envstore import Environment, EnvStore
from pytest_remotest.faults import Refused
from pytest_remotest.wheelbuild import BuildError
from pytest_remotest.wheelnames import WheelError

NOEXEC_NOTE = "%s is mounted noexec: tests cannot start programs that come with packages"


class Builder:
    """Brings one environment after another, and holds all of them until ``release``.

    Args:
        send: takes one message for the controller.
        environ: where HOME and XDG_CACHE_HOME are looked up.
        is_over: whether nobody waits any more for what takes long.
    """

    def __init__(
        self,
        send: Callable[[Any], None],
        environ: Mapping[str, str] = os.environ,
        is_over: Callable[[], bool] = lambda: False,
    ) -> None:
        self._send = send
        self._environ = environ
        self._is_over = is_over
        self._held: List[Tuple[EnvStore, Environment]] = []
        self._stores: Dict[bytes, EnvStore] = {}
        self._order: Optional[Tuple[EnvStore, Order]] = None

    # -- from the controller -----------------------------------------------------------------

    def open(self, message: messages.EnvOpen) -> None:
        """Find the environment, or ask for the wheels that it takes and that are not here."""
        self._forget()
        order = Order(message)
        with self._telling_failures():
            root, order.notes = cachefolder.find(cachefolder.ROOT, message.cache, self._environ)
            if cachefolder.is_noexec(root):
                order.notes.append(NOEXEC_NOTE % to_text(root))
            store = self._stores.setdefault(root, EnvStore(root))
            found = None if order.is_fresh else store.find(order.key)
            if found is not None:
                self._send(messages.EnvWant([]))
                self._hold(store, found, order.notes, was_built=False)
                return
            self._order = (store, order)
            order.begin(store)
            self._send(messages.EnvWant(list(order.lacking)))
            self._build_if_complete(store, order)

    def blob(self, message: messages.Blob) -> None:
        """Take a piece of a wheel that was asked for. After a failure it is dropped."""
        if self._order is not None:
            store, order = self._order
            with self._telling_failures():
                order.take(message)
                self._build_if_complete(store, order)

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

    def _build_if_complete(self, store: EnvStore, order: Order) -> None:
        if order.lacking:
            return
        # Another run may have built the same while its wheels came here.
        found = None if order.is_fresh else store.find(order.key)
        environment = found or envbuild.build(
            store, order.key, order.wheels(self._is_over), fresh=order.is_fresh
        )
        self._forget()
        self._hold(store, environment, order.notes, was_built=found is None)

    def _hold(
        self, store: EnvStore, environment: Environment, notes: List[str], *, was_built: bool
    ) -> None:
        self._held.append((store, environment))
        folder = to_text(environment.folder)
        self._send(messages.EnvDone(folder, was_built, environment.packages, notes))

    def _forget(self) -> None:
        if self._order is not None:
            self._order[1].close()
            self._order = None

    @contextlib.contextmanager
    def _telling_failures(self) -> Iterator[None]:
        """Send EnvFailed for what goes wrong here, and drop the rest of this environment."""
        try:
            yield
        except BuildError as error:
            self._forget()
            self._send(messages.BuildFailed(error.key, error.reason, error.log))
        except WheelError as error:
            self._fail(error.reason, "see whether that wheel is whole, and its index to be trusted")
        except Refused as error:
            self._fail(error.reason, error.remedy)
        except OSError as error:
            self._fail(*faults.of_the_disk(error))

    def _fail(self, reason: str, remedy: str) -> None:
        self._forget()
        self._send(messages.EnvFailed(reason, remedy))
