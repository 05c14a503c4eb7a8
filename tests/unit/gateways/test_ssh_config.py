"""ssh_config is read as ssh reads it: ssh itself is the model."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
from sshclient import surroundings_in

from remotest.errors import ConnectError
from remotest.gateways.sshconfig import matches_patterns, read_options
from remotest.gateways.sshhost import parse_duration_s, parse_jump, resolve_host
from remotest.spec import GatewaySpec, SshTarget

if TYPE_CHECKING:
    from pathlib import Path

    from remotest.gateways.sshhost import SshHost

CONFIGS = {
    "first value wins": "Host box\n  User one\n  Port 1\nHost *\n  User two\n  Port 2\n",
    "patterns": "Host a* !box\n User no\nHost b?x\n User yes\n",
    "negated": "Host *  !box\n User no\n",
    "equals and quotes": 'Host box\n  HostName = "real.example"\n  User="a"\nPort=2222\n',
    "trailing comment": "Host box # that one\n  Port 7 # lucky\n",
    "hostname token": "Host box\n  HostName %h.example.com\n",
    "identity files add up": (
        "Host box\n  IdentityFile /k/%r@%h-%p\nHost *\n  IdentityFile /k/two\n  Port 33\n"
    ),
    "match host sees HostName": "Host box\n  HostName real\nMatch host real\n  User matched\n",
    "match originalhost": "Match originalhost box,other\n  User matched\n",
    "match user": "Host box\n  User first\nMatch user f*\n  Port 55\n",
    "match negated": "Match !host box\n  User no\nMatch all\n  User yes\n",
    "match exec": 'Match exec "test %h = box"\n  User yes\nMatch exec false\n  Port 66\n',
    "match final": "Match final host real\n  Port 77\nHost box\n  HostName real\n",
    "proxy jump first": "Host box\n  ProxyJump a,me@b:3\n  ProxyCommand nc %h %p\n",
    "proxy command first": "Host box\n  ProxyCommand nc %h %p\n  ProxyJump a\n",
    "proxy none": "Host box\n  ProxyJump none\nHost *\n  ProxyJump a\n",
    "times": "ConnectTimeout 1m30\nServerAliveInterval 2m\nServerAliveCountMax 7\n",
    "yes and no": "IdentitiesOnly yes\nHashKnownHosts yes\nHostKeyAlias other\n",
    "include": "Include DIRECTORY/more\nUser outer\n",
    "include in a block": "Host other\n  Include DIRECTORY/more\nHost box\n  Port 9\n",
    "include of blocks in another block": "Host other\n  Include DIRECTORY/blocks\n",
    "include keeps the block": "Host box\n  Include DIRECTORY/blocks\n  Port 9\n",
}


@pytest.mark.parametrize("name", CONFIGS)
def test_ssh_reads_the_same(tmp_path: Path, name: str) -> None:
    if shutil.which("ssh") is None:
        pytest.skip("no ssh here: install the package openssh-client")
    config = tmp_path / "config"
    config.write_text(CONFIGS[name].replace("DIRECTORY", str(tmp_path)))
    (tmp_path / "more").write_text("User inner\n")
    (tmp_path / "blocks").write_text("Host other\n  User no\nHost b*\n  User yes\n")
    command = ["ssh", "-G", "-F", str(config), "box"]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    options: dict[str, list[str]] = {}
    for line in lines.splitlines():
        key, _, value = line.partition(" ")
        options.setdefault(key, []).append(value)

    host = resolve(tmp_path, config)
    expand = {"%r": host.user, "%h": host.hostname, "%p": str(host.port)}
    theirs = {
        "hostname": options["hostname"],
        "user": options["user"],
        "port": options["port"],
        "identities_only": options["identitiesonly"],
        "hash_known_hosts": options["hashknownhosts"],
        "count": options["serveralivecountmax"],
        "alias": options.get("hostkeyalias", ["None"]),
        "jump": options.get("proxyjump", [""]),
        "command": [replace_all(c, expand) for c in options.get("proxycommand", ["None"])],
    }
    ours = {
        "hostname": [host.hostname],
        "user": [host.user],
        "port": [str(host.port)],
        "identities_only": ["yes" if host.identities_only else "no"],
        "hash_known_hosts": ["yes" if host.hash_known_hosts else "no"],
        "count": [str(host.keepalive_count)],
        "alias": [str(host.host_key_alias)],
        "jump": [",".join(map(jump_text, host.jumps))],
        "command": [str(host.proxy_command)],
    }
    assert ours == theirs
    if host.has_own_identities:
        files = [replace_all(file, expand) for file in options["identityfile"]]
        assert [str(path) for path in host.identity_files] == files


def resolve(home: Path, config: Path, **target: str) -> SshHost:
    return resolve_host(
        SshTarget(host=target.get("host", "box")),
        GatewaySpec(ssh_config=str(config)),
        surroundings_in(home),
    )


def replace_all(text: str, tokens: dict[str, str]) -> str:
    for token, value in tokens.items():
        text = text.replace(token, value)
    return text


def jump_text(jump: SshTarget) -> str:
    user = f"{jump.user}@" if jump.user else ""
    return f"{user}{jump.host}" + (f":{jump.port}" if jump.port else "")


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("Port x", "port 'x' is not a number"),
        ("ConnectTimeout soon", "connecttimeout 'soon' is not a time"),
        ("User 'a", "CONFIG:1: a quote is not closed"),
        ("\nUser", "CONFIG:2: User has no value"),
        ("!", "CONFIG:1: not an option: '!'"),
        ("Match localnetwork 10.0.0.0/8", "CONFIG:1: Match localnetwork is not understood"),
        ("Match host", "CONFIG:1: Match host has no value"),
        ("HostName %x", "hostname '%x' has the unknown token %x"),
        ("IdentityFile ${NONE}", "identityfile '${NONE}': the variable NONE is not set"),
        ("ProxyJump a b", None),
        ("ProxyJump -oProxyCommand=x", "ProxyJump '-oProxyCommand=x': '-oProxyCommand=x' is not"),
        ("ProxyJump a,$(id)", "ProxyJump 'a,$(id)': '$(id)' is not [user@]host[:port]"),
        ("User x;id", "'x;id' is not a host or user name"),
        ("HostName -oProxyCommand=id", "'-oProxyCommand=id' is not a host or user name"),
        ("AddressFamily 6", "AddressFamily '6' is none of any, inet, inet6"),
        ("Include CONFIG", "CONFIG is included more than 16 files deep"),
    ],
)
def test_what_cannot_be_is_said(tmp_path: Path, text: str, cause: str | None) -> None:
    config = tmp_path / "config"
    config.write_text(text.replace("CONFIG", str(config)))
    if cause is None:
        assert resolve(tmp_path, config).jumps == (SshTarget(host="a"),)
        return
    with pytest.raises(ConnectError) as caught:
        resolve(tmp_path, config)
    assert cause.replace("CONFIG", str(config)) in caught.value.cause


def test_a_command_never_sees_a_name_that_a_shell_would_run(tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text(f'HostName x;touch${{IFS}}{tmp_path}/owned\nMatch exec "echo %h"\n')
    with pytest.raises(ConnectError, match="must not be put into a command line"):
        resolve(tmp_path, config)
    assert not (tmp_path / "owned").exists()


def test_a_user_configuration_that_others_may_write_is_refused(tmp_path: Path) -> None:
    config = tmp_path / ".ssh" / "config"
    config.parent.mkdir()
    config.write_text("User me\n")
    config.chmod(0o622)
    surroundings = surroundings_in(tmp_path)
    with pytest.raises(ConnectError, match="is not yours alone to write"):
        read_options("box", user=None, config=None, surroundings=surroundings)
    config.chmod(0o600)
    options = read_options("box", user=None, config=None, surroundings=surroundings)
    assert options == {"user": ("me",)}


def test_a_file_that_was_named_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(ConnectError) as caught:
        resolve(tmp_path, tmp_path / "missing")
    assert caught.value.cause == f"{tmp_path}/missing: No such file or directory"


def test_the_machine_s_own_file_comes_second(tmp_path: Path) -> None:
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh" / "config").write_text("User mine\n")
    (tmp_path / ".ssh" / "config").chmod(0o600)
    (tmp_path / "etc-ssh").mkdir()
    (tmp_path / "etc-ssh" / "ssh_config").write_text("User ours\nPort 9\n")
    options = read_options("box", user=None, config=None, surroundings=surroundings_in(tmp_path))
    assert options == {"user": ("mine",), "port": ("9",)}


@pytest.mark.parametrize(
    ("policy", "option", "accepts"),
    [
        (None, "", False),
        (None, "StrictHostKeyChecking ask", False),
        (None, "StrictHostKeyChecking yes", False),
        (None, "StrictHostKeyChecking accept-new", True),
        (None, "StrictHostKeyChecking no", True),
        ("strict", "StrictHostKeyChecking no", False),
        ("accept-new", "StrictHostKeyChecking yes", True),
    ],
)
def test_who_says_whether_new_keys_are_kept(
    tmp_path: Path, policy: str | None, option: str, accepts: bool
) -> None:
    config = tmp_path / "config"
    config.write_text(option)
    spec = GatewaySpec(ssh_config=str(config), hostkey=policy)
    host = resolve_host(SshTarget(host="box"), spec, surroundings_in(tmp_path))
    assert host.accept_new is accepts


@pytest.mark.parametrize(
    ("option", "environment", "socket"),
    [
        ("", {}, None),
        ("", {"SSH_AUTH_SOCK": "/a"}, "/a"),
        ("IdentityAgent none", {"SSH_AUTH_SOCK": "/a"}, None),
        ("IdentityAgent SSH_AUTH_SOCK", {"SSH_AUTH_SOCK": "/a"}, "/a"),
        ("IdentityAgent $OTHER", {"SSH_AUTH_SOCK": "/a", "OTHER": "/b"}, "/b"),
        ("IdentityAgent ${OTHER}/s", {"OTHER": "/b"}, "/b/s"),
        ("IdentityAgent /c", {"SSH_AUTH_SOCK": "/a"}, "/c"),
    ],
)
def test_where_the_agent_is(
    tmp_path: Path, option: str, environment: dict[str, str], socket: str | None
) -> None:
    config = tmp_path / "config"
    config.write_text(option)
    host = resolve_host(
        SshTarget(host="box"),
        GatewaySpec(ssh_config=str(config)),
        surroundings_in(tmp_path, environment=environment),
    )
    assert host.agent_socket == socket


def test_patterns_know_stars_and_question_marks_only() -> None:
    assert matches_patterns("a[b]", ["a[b]"])
    assert not matches_patterns("ab", ["a[b]"])
    assert matches_patterns("box", ["b*", "!bad"])
    assert not matches_patterns("bad", ["b*", "!bad"])
    assert not matches_patterns("box", ["!bad"])


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("1m30s", 90), ("1m30", 90), ("2h", 7200), ("1w", 604800)]
)
def test_times(text: str, seconds: float) -> None:
    assert parse_duration_s(text) == seconds


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("a", SshTarget(host="a")),
        ("me@a:22", SshTarget(host="a", user="me", port=22)),
        ("ssh://me@a:22", SshTarget(host="a", user="me", port=22)),
        ("[::1]:22", SshTarget(host="::1", port=22)),
    ],
)
def test_jumps(text: str, target: SshTarget) -> None:
    assert parse_jump(text) == target
