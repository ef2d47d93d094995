# SPDX-License-Identifier: Apache-2.0
"""Chips ask a running server for challenges: what is no request of a chip is refused by name."""

import pytest

from kizuna.roots.cose import encode

PATHS = {
    "/api/devices/endorsement": "device.endorsement",
    "/api/devices/activation": "device.answer",
}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("body", [b"", b"noise", encode([2, b"", b"", b""]), encode([1, 2, 3, 4])])
def test_noise_is_refused_and_nothing_is_kept(served, path: str, body: bytes):
    answer = served.client.post(path, content=body, headers={"content-type": "application/cbor"})
    assert answer.status_code == 400
    assert answer.json()["code"] == PATHS[path]


def test_an_answer_to_no_challenge_and_a_wrong_method_are_refused(served):
    path = "/api/devices/activation"
    answer = served.client.post(path, content=encode([1, bytes(16), bytes(32)]))
    assert (answer.status_code, answer.json()["code"]) == (404, "device.activation-unknown")
    assert served.client.get(path).status_code == 405
    request = encode([1, b"\x30\x03\x02\x01\x01", b"x", b"y"])
    answer = served.client.post("/api/devices/endorsement", content=request)
    assert answer.json()["code"] in ("device.endorsers-absent", "boot.malformed")
