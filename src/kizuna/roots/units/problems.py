# SPDX-License-Identifier: Apache-2.0
"""What goes wrong in a unit, told alike by all of them; and the bounds, checked alike.

Keeps: whoever calls a unit meets the same codes whichever unit it is.
"""

from __future__ import annotations

from collections.abc import Sequence

from kizuna.model.errors import Absent, Malformed, Misconfigured, Refused, Tampered, Unavailable
from kizuna.roots.keys import Algorithm
from kizuna.roots.units.unit import (
    MAX_ASSOCIATED,
    MAX_BATCH,
    MAX_BOX,
    MAX_INFO,
    MAX_LABEL,
    MAX_MESSAGE,
    MAX_NONCE,
    MAX_RANDOM,
    MAX_SEALED,
    REGISTERS,
    Handle,
    Purpose,
    Secret,
)

__all__ = [
    "bounded",
    "box_broken",
    "checked_associated",
    "checked_batch",
    "checked_box",
    "checked_info",
    "checked_label",
    "checked_message",
    "checked_nonce",
    "checked_plain",
    "checked_random",
    "checked_register",
    "checked_sealed",
    "checked_selection",
    "checked_use",
    "full",
    "gone",
    "no_such_key",
    "not_agreeable",
    "not_offered",
    "registers_changed",
    "wrong_purpose",
]


def no_such_key(key: Handle | Secret) -> Absent:
    """The problem of a handle that names no key of this unit."""
    return Absent(
        "unit.no-such-key",
        f"no key {key.id[:16]} ({key.label}) in this unit",
        why="it was destroyed, or lives in another unit",
        hint="list the keys with `kizuna key list`",
        key=key.id,
        label=key.label,
    )


def wrong_purpose(handle: Handle, wanted: Purpose) -> Refused:
    """The problem of a key that was made for something else."""
    return Refused(
        "unit.purpose",
        f"the key {handle.id[:16]} ({handle.label}) was not made to {wanted.value}",
        why=f"it was made to {handle.purpose.value}; one key has one purpose",
        hint=f"make a key to {wanted.value}",
        key=handle.id,
        purpose=handle.purpose.value,
        wanted=wanted.value,
    )


def not_offered(kind: str, what: str) -> Refused:
    """The problem of asking a unit for what it cannot do."""
    return Refused(
        "unit.not-offered",
        f"a {kind} unit does not offer {what}",
        hint="use another unit for this; `kizuna key units` says what each offers",
        kind=kind,
        asked=what,
    )


def gone(kind: str, why: str) -> Unavailable:
    """The problem of a unit that went away."""
    return Unavailable(
        "unit.gone",
        f"the {kind} unit does not answer",
        why=why,
        hint="see that its process, token or chip is there, then try again",
        kind=kind,
        reason=why,
    )


def full(kind: str, limit: int) -> Misconfigured:
    """The problem of a unit without room for another key."""
    return Misconfigured(
        "unit.full",
        f"the {kind} unit holds {limit} keys already",
        hint="destroy keys that have ended, or make another unit",
        limit=limit,
    )


def box_broken() -> Tampered:
    """The problem of ciphertext that does not open."""
    return Tampered(
        "unit.box",
        "this does not open with that key",
        why="it was changed, or made with another key, unit or associated data",
        hint="give it as it was made, to the unit that made it",
    )


def registers_changed() -> Refused:
    """The problem of a sealed box whose registers have moved on."""
    return Refused(
        "unit.registers-changed",
        "the registers are not as they were when this was sealed",
        why="something else was started or loaded since",
        hint="start what was running then, or seal it anew in the present state",
    )


def not_agreeable() -> Malformed:
    """The problem of a peer whose key is on another curve."""
    return Malformed(
        "unit.peer",
        "the peer's key is not on the curve P-256",
        hint="give a P-256 key",
    )


def bounded(what: str, size: int, limit: int, least: int = 0) -> None:
    """Refuse what is too large or too small.

    Raises:
        Malformed: ``unit.size``.
    """
    if not least <= size <= limit:
        raise Malformed(
            "unit.size",
            f"{what} of {size} bytes",
            why=f"{least} to {limit} are taken",
            hint="split it, or give its hash",
            part=what,
            size=size,
            least=least,
            limit=limit,
        )


def checked_label(label: str) -> None:
    """Refuse labels that name nothing or do not fit (``unit.label``)."""
    if not 1 <= len(label) <= MAX_LABEL or not label.isprintable():
        raise Malformed(
            "unit.label",
            "a key's label has 1 to 200 characters",
            hint="name the key by its purpose, for instance `organisation`",
        )


def checked_use(algorithm: Algorithm, purpose: Purpose) -> None:
    """Refuse keys that are not made (``key.unsupported``)."""
    offered = (Algorithm.ES256,) if purpose is Purpose.AGREE else (Algorithm.ES256, Algorithm.EDDSA)
    if algorithm not in offered:
        raise Malformed(
            "key.unsupported",
            f"keys for {algorithm.jose_name} are read, not made",
            hint="make a key for ES256 or EdDSA",
            kind=algorithm.jose_name,
        )


def checked_message(message: bytes) -> None:
    """Bound what is signed."""
    bounded("message", len(message), MAX_MESSAGE)


def checked_batch(messages: Sequence[object]) -> None:
    """Bound how much is asked at once."""
    bounded("batch", len(messages), MAX_BATCH)


def checked_plain(plaintext: bytes) -> None:
    """Bound what is encrypted."""
    bounded("plaintext", len(plaintext), MAX_BOX)


def checked_box(box: bytes) -> None:
    """Bound what is decrypted: nonce and tag at least."""
    bounded("box", len(box), MAX_BOX + 28, 28)


def checked_associated(associated: bytes) -> None:
    """Bound associated data."""
    bounded("associated data", len(associated), MAX_ASSOCIATED)


def checked_info(info: bytes) -> None:
    """Bound the info of an agreement."""
    bounded("info", len(info), MAX_INFO)


def checked_random(size: int) -> None:
    """Bound how much randomness is asked at once."""
    bounded("random", size, MAX_RANDOM, 1)


def checked_sealed(data: bytes) -> None:
    """Bound what is sealed."""
    bounded("sealed data", len(data), MAX_SEALED, 1)


def checked_nonce(nonce: bytes) -> None:
    """Bound a nonce: fresh means at least eight bytes."""
    bounded("nonce", len(nonce), MAX_NONCE, 8)


def checked_register(register: int) -> None:
    """Refuse registers that are not there (``unit.register``)."""
    if not 0 <= register < REGISTERS:
        raise Malformed(
            "unit.register",
            f"no register {register}",
            hint=f"registers are numbered 0 to {REGISTERS - 1}",
            register=register,
        )


def checked_selection(selection: Sequence[int]) -> tuple[int, ...]:
    """The registers asked for, each once, in order."""
    bounded("selection", len(selection), REGISTERS, 1)
    for register in selection:
        checked_register(register)
    return tuple(sorted(set(selection)))
