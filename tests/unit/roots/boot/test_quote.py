# SPDX-License-Identifier: Apache-2.0
"""Quotes: parsed exactly, and accepted only where everything about them fits."""

from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kizuna.model.errors import Malformed, Problem
from kizuna.roots.boot.credential import is_answer, make_challenge
from kizuna.roots.boot.path import PathFault, anchor_of, check_path, read_certificates
from kizuna.roots.boot.public import qualified_name, read_public
from kizuna.roots.boot.quote import (
    QuoteFault,
    check_quote,
    digest_of,
    quote_faults,
    read_attested,
    read_quote,
    read_registers,
    write_registers,
)
from kizuna.roots.boot.signature import TpmSignature, is_signed, read_signature
from kizuna.roots.keys import Algorithm, PrivateKey


def made_quote(
    nonce: bytes = b"n" * 16,
    registers: dict[tuple[str, int], bytes] | None = None,
    clock: int = 7,
) -> bytes:
    """A quote as a TPM composes it, over one SHA-256 bank."""
    registers = registers or {("sha256", 0): bytes(32), ("sha256", 7): b"\x01" * 32}
    bits = sum(1 << number for _, number in registers).to_bytes(3, "little")
    selection = (("sha256", tuple(sorted(number for _, number in registers))),)
    digest = digest_of(selection, registers)
    assert digest is not None
    return b"".join(
        (
            b"\xffTCG\x80\x18\x00\x22\x00\x0b" + b"\x07" * 32,
            len(nonce).to_bytes(2, "big") + nonce,
            clock.to_bytes(8, "big") + bytes(8) + b"\x01" + bytes(8),
            b"\x00\x00\x00\x01\x00\x0b\x03" + bits,
            b"\x00\x20" + digest,
        )
    )


def signed(key: PrivateKey, quote: bytes) -> TpmSignature:
    raw = key.sign(quote)
    return TpmSignature(0x0018, "sha256", raw[:32], raw[32:])


REGISTERS = {("sha256", 0): bytes(32), ("sha256", 7): b"\x01" * 32}
KEY = PrivateKey.derive(Algorithm.ES256, b"ak")


def test_a_quote_that_fits_has_no_faults():
    quote = made_quote()
    assert (
        check_quote(quote, signed(KEY, quote), KEY.public, nonce=b"n" * 16, registers=REGISTERS)
        == ()
    )


def test_every_part_must_fit():
    quote = made_quote()
    parsed = read_quote(quote)
    other = {("sha256", 0): bytes(32), ("sha256", 8): b"\x01" * 32}
    assert quote_faults(
        parsed,
        nonce=b"other",
        selection=(("sha256", (0, 8)),),
        registers=other,
        signer=b"someone",
        signed=(PrivateKey.derive(Algorithm.ES256, b"x").public, signed(KEY, quote), quote),
    ) == tuple(QuoteFault)


def test_other_registers_with_the_same_values_are_refused():
    """The digest alone does not say which registers it is over."""
    quote = made_quote()
    other = {("sha256", 1): bytes(32), ("sha256", 9): b"\x01" * 32}
    faults = check_quote(quote, signed(KEY, quote), KEY.public, nonce=b"n" * 16, registers=other)
    assert QuoteFault.SELECTION in faults


@given(st.integers(0, 8 * 153 - 1))
def test_any_flipped_bit_is_found(bit: int):
    quote = bytearray(made_quote())
    signature = signed(KEY, bytes(quote))
    quote[bit // 8 % len(quote)] ^= 1 << bit % 8
    try:
        faults = check_quote(
            bytes(quote), signature, KEY.public, nonce=b"n" * 16, registers=REGISTERS
        )
    except Malformed:
        return
    assert QuoteFault.SIGNATURE in faults


@given(st.binary(max_size=300))
def test_noise_is_refused_and_never_breaks_a_reader(noise: bytes):
    whole = made_quote()
    for read in (read_attested, read_signature, read_public, read_registers):
        for data in (noise, whole[: len(noise)] + noise, b"\0" + noise + whole):
            with pytest.raises(Problem):
                read(data)


def test_more_than_one_bank_and_a_bank_twice():
    quote = made_quote()
    head, digest = quote[:-44], quote[-34:]
    one = b"\x00\x0b\x03\x81\x00\x00"
    two = head + b"\x00\x00\x00\x02" + one + b"\x00\x0c\x03\x01\x00\x00" + digest
    assert read_quote(two).selection == (("sha256", (0, 7)), ("sha384", (0,)))
    with pytest.raises(Malformed):
        read_quote(head + b"\x00\x00\x00\x02" + one + one + digest)


def test_the_published_quote_holds(shared: Path):
    folder = shared / "vectors" / "tpm-quote"
    quote = (folder / "quote.out").read_bytes()
    signature = read_signature((folder / "quotesig.out").read_bytes())
    registers = read_registers((folder / "quotepcr.out").read_bytes())
    area = read_public((folder / "ak.pub").read_bytes())
    nonce = (folder / "rand.out").read_bytes()
    assert area.name == (folder / "ak.name").read_bytes()
    assert area.is_attestation_key
    assert check_quote(quote, signature, area.key, nonce=nonce, registers=registers) == ()
    assert write_registers(registers) == (folder / "quotepcr.out").read_bytes()
    endorsement = read_public((folder / "ek.pub").read_bytes())
    assert endorsement.is_storage_key
    assert not endorsement.is_attestation_key
    # the attestation key hangs below the endorsement key, and the quote says so
    assert read_quote(quote).signer == qualified_name(area.name, qualified_name(endorsement.name))
    altered = bytes((quote[60] ^ 1,))
    assert not is_signed(area.key, signature, quote[:60] + altered + quote[61:])


def test_a_challenge_is_made_for_an_endorsement_key_only(shared: Path):
    folder = shared / "vectors" / "tpm-quote"
    area = read_public((folder / "ak.pub").read_bytes())
    endorsement = read_public((folder / "ek.pub").read_bytes())
    challenge = make_challenge(endorsement, area.name)
    # RSA-2048: two lengths, a MAC and a hidden secret; then the encrypted seed
    assert (len(challenge.credential), len(challenge.encrypted)) == (70, 258)
    assert is_answer(challenge, challenge.secret)
    assert not is_answer(challenge, sha256(challenge.secret).digest())
    assert challenge.secret.hex() not in repr(challenge)
    with pytest.raises(Malformed):
        make_challenge(area, area.name)


def test_the_published_authority_of_device_identities_holds(shared: Path):
    pem = (shared / "vectors/tpm-quote/idevid-test-ca/iak_idevid_chain.pem").read_bytes()
    intermediate, root = read_certificates(pem)
    now = 1_700_000_000
    assert check_path([intermediate], [anchor_of(root)], now=now).holds
    assert check_path([intermediate, root], [anchor_of(root)], now=now).holds
    assert check_path([intermediate], [], now=now).faults == (PathFault.ANCHOR,)
    assert check_path([intermediate], [anchor_of(root)], now=now + 10**9).faults == (
        PathFault.EXPIRED,
    )
    assert not check_path([intermediate], [anchor_of(intermediate)], now=now).holds
