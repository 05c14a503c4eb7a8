"""Builds an environment out of wheels: no pip, no compiler, no network."""

import os
from typing import Dict, List

from pytest_remotest import envstore, venvfolder, wheelunpack
from pytest_remotest.envstore import Environment, EnvStore, WheelFile


def build(store: EnvStore, key: str, wheels: List[WheelFile], *, fresh: bool) -> Environment:
    """Build an environment, and lease it; one that somebody else has finished meanwhile will do.

    Nobody sees it before it is whole. The wheels are in the store, and leased.

    Args:
        store: what it is built in.
        key: of the environment.
        wheels: what it consists of.
        fresh: whether it belongs to this run alone.

    Raises:
        WheelError: a wheel cannot be used.
        Refused: this interpreter cannot have an environment.
        OSError: as the disk has it.
    """
    name = store.new_name(key)
    lease = store.leases.take(name)
    folder = os.path.join(store.envs, envstore.BUILDING + name)
    try:
        packages = _fill(store, folder, key, wheels)
        if not fresh:
            other = store.find(key)
            if other is not None:
                store.leases.let_go(lease)
                store.discard(envstore.BUILDING + name)
                return other
        return Environment(store.publish(name, fresh), lease, packages)
    except BaseException:
        store.leases.let_go(lease)
        store.discard(envstore.BUILDING + name)
        raise


def _fill(store: EnvStore, folder: bytes, key: str, wheels: List[WheelFile]) -> Dict[str, str]:
    layout = venvfolder.make(folder)
    packages: Dict[str, str] = {}
    files: Dict[str, int] = {}
    for wheel in wheels:
        path = store.wheel_path(wheel.digest, wheel.filename)
        unpacked = wheelunpack.unpack(path, wheel.filename, layout)
        packages[unpacked.name] = unpacked.version
        files.update(unpacked.files)
    envstore.write_mark(folder, key, packages, files)
    return packages
