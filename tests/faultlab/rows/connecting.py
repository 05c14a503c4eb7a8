"""Rows 1-6: a host does not let us in. Another one does, and runs all."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import sshd
from faultlab.catalogue import GREEN, HOST_FAILED, fault

if TYPE_CHECKING:
    from faultlab.scene import Scene, Seen

ALL_RAN = {"passed": 6}


@fault(
    "1",
    "connection refused",
    exits=HOST_FAILED,
    says=["connect failed: 127.0.0.1:.* refused the connection"],
    outcomes=ALL_RAN,
    cheap=True,
)
def refused(scene: Scene) -> Seen:
    """No sshd runs on one of two hosts."""
    first, second = scene.host("first"), scene.host("second")
    second.server.stop()
    return scene.run(first, second)


@fault(
    "1b",
    "connection refused for a moment",
    exits=GREEN,
    outcomes=ALL_RAN,
)
def refused_for_a_moment(scene: Scene) -> Seen:
    """The first three connections end before a byte has passed."""
    host = scene.host("first", proxied=True)
    host.wire.drop(3)
    return scene.run(host)


@fault(
    "1c",
    "a port that says nothing",
    exits=HOST_FAILED,
    says=["the server did not answer within 2 s"],
    outcomes=ALL_RAN,
)
def silent(scene: Scene) -> Seen:
    """What listens on one of two hosts accepts connections and says nothing."""
    first, second = scene.host("first"), scene.host("second", proxied=True)
    second.wire.say_nothing()
    return scene.run(first, scene.spec(second, ours="connect_timeout=2"))


@fault(
    "2",
    "DNS failure",
    exits=HOST_FAILED,
    says=["the name nowhere.invalid cannot be resolved"],
    outcomes=ALL_RAN,
)
def unknown_name(scene: Scene) -> Seen:
    """The name of one of two hosts does not exist."""
    first, second = scene.host("first"), scene.host("second")
    second.configure("HostName nowhere.invalid")
    return scene.run(first, second)


@fault(
    "3",
    "authentication failure",
    exits=HOST_FAILED,
    says=["permission denied for user .*; the server takes publickey; tried .*: not accepted"],
    outcomes=ALL_RAN,
)
def not_let_in(scene: Scene) -> Seen:
    """One of two hosts lets none of our keys in."""
    first, second = scene.host("first"), scene.host("second")
    second.server.authorized_keys.write_text("")
    return scene.run(first, second)


@fault(
    "4",
    "host key changed",
    exits=HOST_FAILED,
    says=["the machine was reinstalled, or somebody is in between", "ssh-keygen -R"],
    outcomes=ALL_RAN,
)
def changed_key(scene: Scene) -> Seen:
    """One of two hosts shows another key than the one it is known by."""
    first, second = scene.host("first"), scene.host("second")
    second.server.new_host_key()
    return scene.run(first, second)


@fault(
    "5",
    "unknown host",
    exits=HOST_FAILED,
    says=[".* is not in known_hosts; it shows the ssh-ed25519 key SHA256:", "hostkey=accept-new"],
    outcomes=ALL_RAN,
)
def unknown_host(scene: Scene) -> Seen:
    """One of two hosts is not in known_hosts."""
    first, second = scene.host("first"), scene.host("second")
    second.known_hosts.write_text("")
    return scene.run(first, second)


@fault(
    "6",
    "encrypted key",
    exits=HOST_FAILED,
    says=["needs a passphrase, and there is no terminal to ask on"],
    outcomes=ALL_RAN,
)
def encrypted_key(scene: Scene) -> Seen:
    """The key for one of two hosts has a passphrase, and there is neither agent nor terminal."""
    first, second = scene.host("first"), scene.host("second")
    key = sshd.make_key(scene.directory / "encrypted", passphrase="open sesame")
    shutil.copy(f"{key}.pub", second.server.authorized_keys)
    second.config.write_text(
        second.config.read_text().replace(str(second.server.client_key), str(key))
    )
    return scene.run(first, second)
