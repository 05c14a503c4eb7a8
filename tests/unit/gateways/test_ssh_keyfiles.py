"""Key files, and what is in their place."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest
import sshd
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from remotest.gateways.keyfiles import KeyFileError, KeyRing, parse_public_key, read_key_file

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("key_type", ["ed25519", "rsa", "ecdsa"])
@pytest.mark.parametrize("passphrase", ["", "secret"])
def test_the_public_half_is_read_without_a_passphrase(
    tmp_path: Path, key_type: str, passphrase: str
) -> None:
    path = sshd.make_key(tmp_path / "key", key_type, passphrase=passphrase)
    public = parse_public_key((tmp_path / "key.pub").read_bytes())
    (tmp_path / "key.pub").unlink()

    file = read_key_file(path)
    assert (file.key_type, file.public_blob, file.is_public) == (*(public or ()), False)
    assert (KeyRing(lambda _: None).open_plain(file) is None) is bool(passphrase)


def test_a_public_file_stands_for_a_key_in_the_agent(tmp_path: Path) -> None:
    sshd.make_key(tmp_path / "key")
    assert read_key_file(tmp_path / "key.pub").is_public


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.binary()
    | st.binary().map(lambda body: b"-----BEGIN OPENSSH PRIVATE KEY-----\n" + body + b"\n-----END")
)
def test_only_one_kind_of_error_comes_from_a_file_that_is_no_key(
    tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "key"
    path.write_bytes(content)
    with contextlib.suppress(KeyFileError):
        file = read_key_file(path)
        if not file.is_public:
            KeyRing(lambda _: "passphrase").open_plain(file)


def test_a_truncated_key_is_no_key(tmp_path: Path) -> None:
    content = sshd.make_key(tmp_path / "key").read_text()
    for length in range(0, len(content) - 40, 7):
        (tmp_path / "key").write_text(content[:length])
        with pytest.raises(KeyFileError):
            KeyRing(lambda _: None).open_plain(read_key_file(tmp_path / "key"))
