# SPDX-License-Identifier: Apache-2.0
"""Files that people name are read whole, bounded, or refused with a problem that names them."""

from __future__ import annotations

import os
import socket

import pytest

from kizuna.app.wiring.files import read_file
from kizuna.model.errors import Absent, Malformed, Unavailable


def test_a_file_is_read_up_to_its_limit(tmp_path):
    file = tmp_path / "list.json"
    file.write_bytes(b"x" * 32)
    assert read_file(file, limit=32) == b"x" * 32
    with pytest.raises(Malformed) as told:
        read_file(file, limit=31)
    assert told.value.code == "file.too-large"


def test_a_link_is_followed_to_its_file(tmp_path):
    (tmp_path / "there").write_bytes(b"words")
    (tmp_path / "here").symlink_to("there")
    assert read_file(tmp_path / "here", limit=9) == b"words"


@pytest.mark.parametrize("name", ["absent", "absent/below"])
def test_no_file_is_absent(tmp_path, name):
    with pytest.raises(Absent) as told:
        read_file(tmp_path / name, limit=9)
    assert told.value.code == "file.absent"


def _pipe(path):
    os.mkfifo(path)


def _socket(path):
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))


@pytest.mark.parametrize("make", [_pipe, _socket, os.mkdir])
def test_what_is_no_plain_file_is_refused_at_once(tmp_path, monkeypatch, make):
    monkeypatch.chdir(tmp_path)  # the name of a socket is short
    make("thing")
    with pytest.raises(Unavailable) as told:
        read_file("thing", limit=9)
    assert told.value.code == "file.unreadable"


@pytest.mark.parametrize("name", ["/dev/null", "/dev/zero", "no\0name"])
def test_a_device_or_a_broken_name_is_refused(name):
    with pytest.raises(Unavailable):
        read_file(name, limit=9)


def test_a_pipe_that_the_shell_opened_is_read():
    out, into = os.pipe()
    try:
        os.write(into, b"words")
        os.close(into)
        assert read_file(f"/dev/fd/{out}", limit=9) == b"words"
    finally:
        os.close(out)
