"""``--tx`` strings: what they mean, what is refused, and that secrets stay out of messages."""

from __future__ import annotations

import dataclasses
import re
import string
from pathlib import Path
from typing import Any

import execnet
import pytest
from hostile_specs import HOSTILE_SPECS
from hypothesis import given
from hypothesis import strategies as st

from remotest.errors import SpecError, UsageError
from remotest.spec import (
    MAX_WORKERS_PER_TX,
    GatewaySpec,
    SocketTarget,
    SshTarget,
    TxRequest,
    parse_spec,
    parse_tx,
)
from remotest.spec_rules import KEYS

DOCS_PAGE = Path(__file__).parents[2] / "docs" / "reference" / "specs.md"

NAMES = st.from_regex(r"\A[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}\Z")
ENV_NAMES = st.from_regex(r"\A[A-Za-z_][A-Za-z0-9_]{0,10}\Z")
# What the operating system can take: no NUL, no half characters but those of undecodable bytes.
TEXTS = st.text(
    st.characters(exclude_characters="\0", exclude_categories=["Cs"])
    | st.sampled_from('/"\\=*\n \udc80\udcff')
)
PATHS = TEXTS.filter(lambda text: text and not text.startswith("-"))
NAME_LISTS = st.lists(NAMES, min_size=1, max_size=3).map(",".join)
MODES = st.sampled_from(["auto", "system", "managed", "fresh"])
PROJECTS = st.sampled_from(["editable", "none", "wheel"]) | PATHS.map("wheel:{}".format)
COMMAND_LINES = TEXTS.filter(lambda text: text and not set(text) & {"\n", "\r"})
HOSTS = NAMES | st.ip_addresses(v=6).map(str) | st.just("fe80::1%eth0")
PORTS = st.integers(1, 65535)
TARGETS = (
    st.none()
    | st.builds(SshTarget, host=HOSTS, user=st.none() | NAMES, port=st.none() | PORTS)
    | st.builds(SocketTarget, host=HOSTS, port=PORTS)
)


@st.composite
def specs(draw: st.DrawFn) -> GatewaySpec:
    target = draw(TARGETS)
    is_ssh = isinstance(target, SshTarget)
    is_socket = isinstance(target, SocketTarget)
    env_mode = draw(st.none() | (MODES if is_socket else MODES | PATHS.map("venv:{}".format)))
    fields: dict[str, Any] = {
        "via": NAMES,
        "python": st.none() if (env_mode or "").startswith("venv:") else PATHS,
        "chdir": PATHS,
        "id": NAMES,
        "nice": st.integers(-20, 19),
        "ssh_config": PATHS if is_ssh else st.none(),
        "hostkey": st.sampled_from(["strict", "accept-new"]) if is_ssh else st.none(),
        "connect_timeout_s": st.floats(0, 3600, exclude_min=True),
        "cache": PATHS,
        "sync": st.sampled_from(["tree", "none"]),
        "group": NAME_LISTS,
        "extra": NAME_LISTS,
        "req": PATHS,
        "lock": PATHS,
        "tox": NAMES,
        "project": PROJECTS,
        "wheels": st.sampled_from(["auto", "remote"]),
        "setup": st.none() if is_socket else COMMAND_LINES,
        "interpreters": st.none() if is_socket else st.sampled_from(["host", "uv"]),
        "execmodel": st.sampled_from(["thread", "main_thread_only"]),
    }
    env = draw(st.dictionaries(ENV_NAMES, st.none() | TEXTS, max_size=4))
    return GatewaySpec(
        target=target,
        env_mode=env_mode,
        env=tuple(env.items()),
        dont_write_bytecode=draw(st.booleans()),
        **{name: draw(st.none() | values) for name, values in fields.items()},
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("popen", GatewaySpec()),
        ("ssh=box", GatewaySpec(target=SshTarget(host="box"))),
        (
            "ssh=me@big.example:2222",
            GatewaySpec(target=SshTarget(host="big.example", user="me", port=2222)),
        ),
        ("ssh=me@[::1]:2222", GatewaySpec(target=SshTarget(host="::1", user="me", port=2222))),
        ("ssh=[fe80::1%eth0]", GatewaySpec(target=SshTarget(host="fe80::1%eth0"))),
        ("socket=h:8888", GatewaySpec(target=SocketTarget(host="h", port=8888))),
        ("socket=[::1]:8888", GatewaySpec(target=SocketTarget(host="::1", port=8888))),
        (
            "popen//python=C:\\Program Files\\py.exe",
            GatewaySpec(python="C:\\Program Files\\py.exe"),
        ),
        ("popen//python=/opt/a b'\n;/py", GatewaySpec(python="/opt/a b'\n;/py")),
        ('popen//python="/opt/\\"a\\"/\\\\py"', GatewaySpec(python='/opt/"a"/\\py')),
        ('popen//chdir="/"//id=a', GatewaySpec(chdir="/", id="a")),
        (
            "popen//env:A=b=c//env:B//env:C=",
            GatewaySpec(env=(("A", "b=c"), ("B", None), ("C", ""))),
        ),
        ('popen//env:URL="pg://a//b"', GatewaySpec(env=(("URL", "pg://a//b"),))),
        ('popen//env:A=say "hi"', GatewaySpec(env=(("A", 'say "hi"'),))),
        (
            (
                "id=a//ssh=h//via=b//nice=-5//ssh_config=f//hostkey=accept-new//connect_timeout=2.5"
                "//cache=/c//sync=none//execmodel=thread//dont_write_bytecode"
            ),
            GatewaySpec(
                target=SshTarget(host="h"),
                via="b",
                id="a",
                nice=-5,
                ssh_config="f",
                hostkey="accept-new",
                connect_timeout_s=2.5,
                cache="/c",
                sync="none",
                execmodel="thread",
                dont_write_bytecode=True,
            ),
        ),
        (
            (
                "popen//env=venv:~/v//group=test,docs//extra=cli//req=r.txt//lock=pylock.toml"
                "//tox=py39//project=wheel:dist/*.whl//env:A=1"
                '//setup=". ~/my env.sh && export X=\\"a//b\\""'
            ),
            GatewaySpec(
                env_mode="venv:~/v",
                group="test,docs",
                extra="cli",
                req="r.txt",
                lock="pylock.toml",
                tox="py39",
                project="wheel:dist/*.whl",
                env=(("A", "1"),),
                setup='. ~/my env.sh && export X="a//b"',
            ),
        ),
    ],
)
def test_a_spec_means(text: str, expected: GatewaySpec) -> None:
    assert parse_spec(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("popen", TxRequest(spec=GatewaySpec())),
        ("3*ssh=h", TxRequest(spec=GatewaySpec(target=SshTarget(host="h")), count=3)),
        ("auto*ssh=h", TxRequest(spec=GatewaySpec(target=SshTarget(host="h")), count="auto")),
        (f"{MAX_WORKERS_PER_TX}*popen", TxRequest(spec=GatewaySpec(), count=MAX_WORKERS_PER_TX)),
        ("popen//env:A=2*3", TxRequest(spec=GatewaySpec(env=(("A", "2*3"),)))),
        ("1*popen//id=a", TxRequest(spec=GatewaySpec(id="a"))),
    ],
)
def test_a_request_means(text: str, expected: TxRequest) -> None:
    assert parse_tx(text) == expected


@given(specs())
def test_a_spec_survives_its_own_text(spec: GatewaySpec) -> None:
    assert parse_spec(str(spec)) == spec


@given(specs(), st.integers(1, MAX_WORKERS_PER_TX) | st.just("auto"))
def test_a_request_survives_its_own_text(spec: GatewaySpec, count: Any) -> None:
    if spec.id is not None:
        count = 1
    request = TxRequest(spec=spec, count=count)
    assert parse_tx(str(request)) == request


@given(st.lists(specs(), min_size=2, max_size=2))
def test_different_specs_have_different_texts(pair: list[GatewaySpec]) -> None:
    assert (str(pair[0]) == str(pair[1])) == (pair[0] == pair[1])


@given(specs())
def test_a_spec_agrees_with_execnet(spec: GatewaySpec) -> None:
    """The same values as execnet's, which knows neither our double quotes nor ``env=``."""
    spec = dataclasses.replace(spec, env_mode=None)
    text = str(spec)
    if '="' in text:
        return
    theirs = execnet.XSpec(text)
    target = None if spec.target is None else str(spec.target)
    assert {
        "popen": theirs.popen,
        "ssh": theirs.ssh,
        "socket": theirs.socket,
        "via": theirs.via,
        "python": theirs.python,
        "chdir": theirs.chdir,
        "id": theirs.id,
        "nice": theirs.nice,
        "ssh_config": theirs.ssh_config,
        "execmodel": theirs.execmodel,
        "dont_write_bytecode": theirs.dont_write_bytecode,
        "env": {name: None if value is True else value for name, value in theirs.env.items()},
    } == {
        "popen": True if spec.target is None else None,
        "ssh": target if isinstance(spec.target, SshTarget) else None,
        "socket": target if isinstance(spec.target, SocketTarget) else None,
        "via": spec.via,
        "python": spec.python,
        "chdir": spec.chdir,
        "id": spec.id,
        "nice": None if spec.nice is None else str(spec.nice),
        "ssh_config": spec.ssh_config,
        "execmodel": spec.execmodel,
        "dont_write_bytecode": spec.dont_write_bytecode or None,
        "env": dict(spec.env),
    }


@pytest.mark.parametrize("text", HOSTILE_SPECS, ids=lambda text: ascii(text)[:40])
def test_a_hostile_spec_is_refused(text: str) -> None:
    with pytest.raises(SpecError) as caught:
        parse_tx(text)
    message = str(caught.value)
    assert message.startswith("--tx ")
    assert message.isprintable()
    assert len(message) < 1500
    assert isinstance(caught.value, UsageError)


@given(st.text() | st.text(string.ascii_lowercase[:4] + '/="\\*:@[]- \0\n'))
def test_any_text_is_a_request_or_a_spec_error(text: str) -> None:
    for candidate in (text, f"popen//{text}", f"ssh={text}", f"popen//env:A={text}"):
        try:
            request = parse_tx(candidate)
        except SpecError:
            continue
        assert parse_tx(str(request)) == request


@pytest.mark.parametrize(
    ("text", "fragment"),
    [
        ("ssh=h//pyhton=python3", "unknown key 'pyhton': did you mean 'python'?"),
        ("popen//python", "python needs a value: allowed is python=PATH-OR-NAME"),
        ("popen//python=", "python= has an empty value: allowed is python=PATH-OR-NAME"),
        ("ssh=h//hostkey=no", "hostkey='no' is none of strict, accept-new"),
        (
            "popen//env=venv:v//python=p",
            (
                "env=venv: names the interpreter, the one in there, and so does python=: leave one"
                " of them out"
            ),
        ),
        (
            "socket=h:1//setup=x",
            "setup= is not for socket=: the server is the interpreter already",
        ),
        (
            "socket=h:1//interpreters=uv",
            "interpreters= is not for socket=: the server is the interpreter already",
        ),
        ("popen//wheels=ship", "wheels='ship' is none of auto, remote"),
        ("popen//interpreters=pyenv", "interpreters='pyenv' is none of host, uv"),
        (
            "socket=h:1//env=venv:v",
            "env=venv: is not for socket=: the server is the interpreter already",
        ),
        ("popen//project=whee", "project='whee' is none of editable, none, wheel, wheel:GLOB"),
        ("popen//grop=test", "unknown key 'grop': did you mean 'group'?"),
        (
            "myhost",
            (
                f"unknown key 'myhost': the keys are {', '.join((*KEYS, 'env:NAME'))}; a host is"
                " ssh=NAME, and a value that holds '//' goes in double quotes"
            ),
        ),
        ("popen//id=a//id=b", "the key 'id' is there twice"),
        ("popen//ssh=h", "exactly one of popen, ssh=, socket= is needed, found popen and ssh"),
        (
            "0*popen",
            (
                "the number of workers has to be from 1 to 1024 (MAX_WORKERS_PER_TX: more than the"
                " CPUs of the largest machines); auto* asks the host for its CPUs"
            ),
        ),
        (
            "ssh=-p 2222 h",
            (
                "ssh='-p 2222 h' holds options or blanks: write ssh=host:2222 for a port, and put"
                " every other option into ssh_config (ssh_config=FILE names another file)"
            ),
        ),
        (
            "popen//vagrant_ssh",
            (
                "vagrant_ssh= is not supported: run `vagrant ssh-config > FILE` and use"
                " ssh=NAME//ssh_config=FILE"
            ),
        ),
    ],
)
def test_an_error_names_the_spec_the_part_and_what_is_allowed(text: str, fragment: str) -> None:
    with pytest.raises(SpecError) as caught:
        parse_tx(text)
    assert str(caught.value) == f"--tx {text!r}: {fragment}"


@pytest.mark.parametrize(
    ("value", "hint"),
    [("manged", "did you mean 'managed'?"), ("TOKEN=CANARY", "a variable is env:NAME=value")],
)
def test_a_wrong_environment_is_not_repeated(value: str, hint: str) -> None:
    """It may be a variable whose colon was forgotten."""
    with pytest.raises(SpecError) as caught:
        parse_tx(f"popen//env={value}")
    assert str(caught.value) == (
        "--tx 'popen//env=***': env=*** is none of auto, system, managed, fresh, venv:PATH: " + hint
    )


@pytest.mark.parametrize(
    ("text", "venv", "interpreter"),
    [
        ("popen", None, None),
        ("popen//python=p", None, "p"),
        ("ssh=h//env=managed//python=p", None, "p"),
        ("ssh=h//env=venv:~/v", "~/v", "~/v/bin/python"),
        ('ssh=h//env="venv:/opt/v/"', "/opt/v/", "/opt/v/bin/python"),
    ],
)
def test_the_interpreter_of_a_virtual_environment(
    text: str, venv: str | None, interpreter: str | None
) -> None:
    spec = parse_spec(text)
    assert (spec.venv, spec.interpreter) == (venv, interpreter)


@pytest.mark.parametrize(
    "text",
    [
        "popen//env:A=CANARY//pyhton=x",
        "popen//env:A=pg://me:CANARY@h/db",
        "popen//env:A=pg://python:CANARY@h/db",
        'popen//env:A="pg://CANARY',
        'popen//env:A="CANARY"//CANARY',
        'popen//env:A="CANARY"CANARY//id=',
        "popen//env:A=CANARY\0",
        "popen//env:A:CANARY",
        "popen//env:1=CANARY",
        "popen//env:A B:CANARY=CANARY",
        'popen//env:A B:CANARY="CANARY',
        "popen//evn:A=CANARY",
        "popen//evn:A:CANARY",
        "popen//env=CANARY",
        "popen//env=A=CANARY",
        "popen//env=URL=pg://me:CANARY@h/db",
        "popen//env=URL=pg://name//CANARY=1",
        "popen//ENV:A=CANARY",
        "popen//TOKEN=CANARY",
        "popen//PYTHONX=CANARY",
        "0*popen//env:A=CANARY",
        "2*@big//env:A=CANARY",
        "ssh=me:CANARY@h",
        'ssh="me:CANARY@h"',
        "ssh=h//env:A=CANARY//env:A=CANARY",
        "env:A=CANARY*popen",
    ],
)
def test_an_error_does_not_repeat_what_may_be_a_secret(text: str) -> None:
    with pytest.raises(SpecError) as caught:
        parse_tx(text)
    assert "CANARY" not in str(caught.value)


def test_the_form_for_logs_masks_the_values_of_variables() -> None:
    request = parse_tx("2*ssh=h//env:TOKEN=CANARY//env:HOME//python=p")
    assert request.redacted() == "2*ssh=h//python=p//env:TOKEN=***//env:HOME"
    assert request.spec.redacted() == "ssh=h//python=p//env:TOKEN=***//env:HOME"
    assert "CANARY" not in repr(request)


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("popen//python=p", "popen"),
        ("ssh=me@h:2222//id=a", "me@h:2222"),
        ("ssh=me@[::1]", "me@[::1]"),
        ("socket=h:8888", "socket h:8888"),
    ],
)
def test_a_host_is_labelled_as_it_was_written(text: str, label: str) -> None:
    assert parse_spec(text).host_label == label


def docs_specs(language: str) -> list[str]:
    blocks = re.findall(rf"```{language}\n(.*?)```", DOCS_PAGE.read_text(), re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line]


@pytest.mark.parametrize("text", docs_specs("spec"))
def test_every_spec_of_the_reference_page_is_valid(text: str) -> None:
    request = parse_tx(text)
    assert parse_tx(str(request)) == request


@pytest.mark.parametrize("text", docs_specs("refused"))
def test_every_refused_spec_of_the_reference_page_is_refused(text: str) -> None:
    with pytest.raises(SpecError):
        parse_tx(text)
