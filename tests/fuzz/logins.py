"""The files of SSH: its configuration, and the keys of known hosts."""

from __future__ import annotations

import contextlib
import functools
from pathlib import Path
from typing import Final

from fuzz.guard import watching
from fuzz.inputs import edited, lines_of
from fuzz.target import Target, scratch

from remotest.errors import ConnectError
from remotest.gateways import hostkeys, sshconfig
from remotest.gateways.surroundings import Surroundings

CONFIG: Final = b"""\
Host h *.example.org !bad
    HostName %h.example.org
    Port 2222
    User "me"
    IdentityFile ~/.ssh/id_a  # comment
    ProxyCommand nc %h %p
Match originalhost h user me
    ForwardAgent yes
Include other*
Match final all
    Compression no
"""
CONFIG_WORDS: Final = (
    *(
        "Host ",
        "Match ",
        "host ",
        "originalhost ",
        "user ",
        "final",
        "all",
        "canonical",
        "localuser ",
    ),
    *(
        "Include ",
        "HostName ",
        "%h",
        "%",
        "%%",
        "%x",
        "*",
        "?",
        "!",
        "h",
        '"',
        "'",
        "\\",
        "=",
        " ",
        "#",
    ),
    *(
        "[",
        "\x00",
        "\udcff",
        "~",
        "**",
        "../",
        "/",
        "Port",
        "\t",
        "*a" * 12,
        "config",
        "~/.ssh/config",
    ),
)


@functools.cache
def _home() -> Path:
    home = scratch("ssh")
    (home / ".ssh").mkdir()
    return home


def check_config(data: bytes) -> None:
    # What it says to run is run, as ssh does: that is not what is tried here.
    if b"exec" in data.lower():
        return
    home = _home()
    path = home / ".ssh" / "config"
    path.write_bytes(data)
    surroundings = Surroundings(
        user="me",
        home=home,
        environment={},
        working_directory=home,
        system_directory=home / "etc",
        ask_passphrase=lambda _: None,
    )
    with watching(), contextlib.suppress(ConnectError):
        sshconfig.read_options("h" * 40, user=None, config=str(path), surroundings=surroundings)


SSH_CONFIG: Final = Target(
    name="ssh-config",
    check=check_config,
    inputs=lines_of(CONFIG_WORDS)
    | edited([CONFIG], [word.encode("utf-8", "surrogateescape") for word in CONFIG_WORDS]),
)

KEY: Final = "AAAAC3NzaC1lZDI1NTE5AAAAIAFbPcMAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
HASHED: Final = "|1|F1E1KeoE/eEWhi10WpGv4OdiO6Y=|3988QV0VE8wmZL7suNrYQLITLCg="
KNOWN_WORDS: Final = (
    *("h", "[h]:2222", "*", "?", "!h", ",", " ", "ssh-ed25519", "ssh-rsa", KEY, HASHED, "|1|", "|"),
    *(
        "@revoked ",
        "@cert-authority ",
        "@",
        "#",
        "=",
        "====",
        "\x00",
        "\udcff",
        "*a" * 12,
        "\x0b",
        "\x85",
    ),
)


def check_known_hosts(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    with watching():
        keys = list(hostkeys.parse_known_hosts(text, Path("known_hosts")))
        names = ("[" + "h" * 40 + "]:2222", "h", "[h]:2222")
        verdict, lines = hostkeys.judge(keys, names, b"key")
        assert all(line in keys for line in lines)
        assert (verdict is hostkeys.Verdict.UNKNOWN) == (not lines)
        hostkeys.algorithms_to_offer(keys, names, configured=None, supported=["ssh-ed25519"])


KNOWN_HOSTS: Final = Target(
    name="known-hosts",
    check=check_known_hosts,
    inputs=lines_of(KNOWN_WORDS)
    | edited(
        [f"[h]:2222,*.x ssh-ed25519 {KEY}\n@revoked {HASHED} ssh-rsa {KEY}\n".encode()],
        [word.encode("utf-8", "surrogateescape") for word in KNOWN_WORDS],
    ),
)

TARGETS: Final = (SSH_CONFIG, KNOWN_HOSTS)
