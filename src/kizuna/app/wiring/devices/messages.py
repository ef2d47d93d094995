# SPDX-License-Identifier: Apache-2.0
"""What devices and gateways send, and what they are told: the same CBOR at every door.

=========  ==================================================  =================================
message    body                                                answer
=========  ==================================================  =================================
evidence   ``[[subject, evidence], ...]``                      ``[[status, standing, reason]...]``
bundle     ``[gateway, COSE_Sign1]``                           ``[place, ...]`` to open
opening    ``[gateway, [[place, leaf, [hash...], evidence]]]`` ``""`` or what does not hold
=========  ==================================================  =================================

Keeps: a body is one CBOR item, bounded in size, depth and number, before anything is looked at.
"""

from __future__ import annotations

from typing import Any, Final

from kizuna.app.wiring.devices.fleet import MAX_BATCH, Keeper, Piece
from kizuna.model.errors import Malformed, Problem
from kizuna.proof.attestation.fleet.bundle import Opening
from kizuna.roots.cose import decode, encode

__all__ = ["MAX_MESSAGE", "bundle", "evidence", "opening"]

MAX_MESSAGE: Final = 4 << 20
_MAX_NAME: Final = 2048
_MAX_OPENINGS: Final = 64
_MAX_RESULTS: Final = 64


def evidence(keeper: Keeper, body: bytes, source: str) -> bytes:
    """Evidence of one device or many, each answered; with the signed result where it is asked for.

    Raises:
        Malformed: ``fleet.message-malformed``.
    """
    items = _items(body)
    if not 0 < len(items) <= MAX_BATCH:
        raise _malformed(f"a message holds 1 to {MAX_BATCH} pieces of evidence")
    pieces: list[Piece] = []
    wanted: set[int] = set()
    for item in items:
        match item:
            case [str() as subject, bytes() as data] if 0 < len(subject) <= _MAX_NAME:
                pieces.append(Piece(subject, data))
            case [str() as subject, bytes() as data, True] if 0 < len(subject) <= _MAX_NAME:
                wanted.add(len(pieces))
                pieces.append(Piece(subject, data))
            case _:
                raise _malformed("a piece is a name and a byte string, and true for its result")
    if len(wanted) > _MAX_RESULTS:
        raise _malformed(f"at most {_MAX_RESULTS} results at once")
    told: list[list[str | bytes]] = []
    for at, answer in enumerate(keeper.hear(pieces, source)):
        one: list[str | bytes] = [answer.status, answer.standing, answer.reason]
        if at in wanted:
            one.append(keeper.result(answer, keep=False) or b"")
        told.append(one)
    return encode(told)


def bundle(keeper: Keeper, body: bytes, source: str) -> bytes:  # noqa: ARG001 - it is signed
    """A gateway's bundle; the answer names the leaves to open.

    Raises:
        Malformed: ``fleet.message-malformed``, and what ``Keeper.take_bundle`` raises.
    """
    match _items(body):
        case [str() as gateway, bytes() as data] if 0 < len(gateway) <= _MAX_NAME:
            return encode(keeper.take_bundle(gateway, data))
        case _:
            raise _malformed("a bundle is a name and a byte string")


def opening(keeper: Keeper, body: bytes, source: str) -> bytes:  # noqa: ARG001 - it proves itself
    """The leaves that were asked for.

    Raises:
        Malformed: ``fleet.message-malformed``. Refused: ``fleet.not-asked``.
    """
    match _items(body):
        case [str() as gateway, list() as leaves] if len(leaves) <= _MAX_OPENINGS:
            return encode(keeper.take_openings(gateway, [_opening(leaf) for leaf in leaves]))
        case _:
            raise _malformed(f"a name and at most {_MAX_OPENINGS} leaves")


def _opening(leaf: object) -> Opening:
    match leaf:
        case [int() as place, bytes() as entry, list() as proof, bytes() as data]:
            if len(proof) <= 62 and all(type(h) is bytes and len(h) == 32 for h in proof):
                return Opening(place, entry, tuple(proof), data)
    raise _malformed("a leaf is place, bytes, hashes and evidence")


def _items(body: bytes) -> list[Any]:
    if len(body) > MAX_MESSAGE:
        raise _malformed(f"{len(body)} bytes, at most {MAX_MESSAGE}")
    try:
        items = decode(body, 5)
    except Problem as fault:
        raise _malformed(fault.why or fault.what) from fault
    if type(items) is not list:
        raise _malformed("a message is an array")
    return items


def _malformed(why: str) -> Malformed:
    return Malformed(
        "fleet.message-malformed",
        f"the message cannot be read: {why}",
        why=why,
        hint="the guide `run a fleet` shows every message",
        fault=why[:200],
    )
