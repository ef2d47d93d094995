# SPDX-License-Identifier: Apache-2.0
"""Published CoRIM and CoMID documents: the valid ones are read, the invalid ones are not.

Sources: veraison/corim (general form, profiles for PSA and CCA) and veraison/services (PSA). The
key of the signed ones is not published: what is checked is that no other key is accepted.
"""

import pytest

from kizuna.model.errors import Malformed, Problem, Refused, Tampered
from kizuna.proof.attestation.corim import open_corim, read_comid, read_corim
from kizuna.roots.cose import read_sign1
from kizuna.roots.keys import Algorithm
from kizuna.roots.units import EphemeralUnit

NOW = 1_700_000_000


def documents(shared, folder):
    found = sorted((shared / "vectors" / folder).glob("*.cbor"))
    assert found, "the vectors are there"
    return [(path.stem, path.read_bytes()) for path in found]


def content(data):
    return (read_sign1(data, (8,)).payload or b"") if data[:1] == b"\xd2" else data


def test_every_document_of_the_general_form_is_read(shared):
    seen = {}
    for name, data in documents(shared, "corim/corim/testcases"):
        corim = read_corim(content(data))
        seen[name] = (len(corim.values), corim.left)
    assert seen["signed-good-corim"] == (3, ())
    assert seen["corim-2"] == (
        3,
        ("endorsed-values of one layer", "layer of reference-values"),
    )
    assert len(seen) == 11


def test_every_comid_is_read_and_what_is_not_understood_is_said(shared):
    read = {name: read_comid(data) for name, data in documents(shared, "corim/comid/testcases")}
    assert len(read) == 20
    assert [value.version for value in read["comid-1a"].values] == ["1.0.0", "2.0.0"]
    assert read["comid-1"].values[0].model == "urn:uuid:67b28b6c-34cc-40a1-9117-ab5b05911e37"
    assert {value.component for value in read["comid-integrity-registers"].values} == {
        "0",
        "my-ir",
    }
    assert read["comid-cend"].left == ("conditional-endorsements that ask for authorized-by",)
    assert not [name for name, one in read.items() if not one.values and not one.left]


@pytest.mark.parametrize(
    "folder",
    [
        "corim/profiles/psa/testcases",
        "corim/profiles/cca/testcases",
        "veraison/scheme/psa-iot/test/corim",
    ],
)
def test_documents_of_a_profile_are_as_their_names_say(shared, folder):
    for name, data in documents(shared, folder):
        if "invalid" in name or "-bad-" in name:
            with pytest.raises(Malformed):
                read_corim(data)
        else:
            assert read_corim(data).values, name


@pytest.mark.parametrize("name", ["signed-good-corim", "signed-example-corim"])
def test_no_other_key_than_the_signer_s_is_accepted(shared, name):
    data = (shared / f"vectors/corim/corim/testcases/{name}.cbor").read_bytes()
    unit = EphemeralUnit(b"stranger")
    stranger = unit.public(unit.generate(Algorithm.ES256, "stranger"))
    for keys in ([], [stranger]):
        with pytest.raises(Tampered):
            open_corim(data, keys=keys, now=NOW)


def test_unsigned_documents_are_taken_only_when_asked_for(shared):
    data = (shared / "vectors/corim/corim/testcases/unsigned-good-corim.cbor").read_bytes()
    with pytest.raises(Refused) as refused:
        open_corim(data, keys=[], now=NOW)
    assert refused.value.code == "corim.unsigned"
    assert not open_corim(data, keys=[], now=NOW, allow_unsigned=True).signed


def test_no_byte_changed_in_a_published_document_breaks_the_reader(shared):
    for _, data in documents(shared, "corim/corim/testcases"):
        inner = content(data)
        for place in range(0, len(inner), 3):
            changed = bytearray(inner)
            changed[place] ^= 0x41
            try:
                read_corim(bytes(changed))
            except Problem as problem:
                assert problem.code.startswith("corim.")
