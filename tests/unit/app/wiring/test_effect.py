# SPDX-License-Identifier: Apache-2.0
"""What is told of a statement before others find out that it is worth nothing."""

from datetime import UTC, datetime

import pytest

from kizuna.app.wiring.judging.effect import idle_waivers
from kizuna.criteria.profiles import shipped_profile
from kizuna.model.errors import Absent
from kizuna.model.kind import Kind, media_type_of
from kizuna.model.payload import Waiver, encode_payload
from kizuna.roots.cose import sign_statement
from kizuna.roots.identity import did_key
from kizuna.roots.keys import Algorithm
from kizuna.roots.units.software import SoftwareUnit


def named(name):
    if name != "software-product":
        raise Absent("profile.unknown", "no such profile")
    return shipped_profile(name)


def waiver(profile, requirement):
    unit = SoftwareUnit.ephemeral()
    handle = unit.generate(Algorithm.ES256, "x")
    said = Waiver(
        profile=profile,
        requirement=requirement,
        until=datetime(2030, 1, 1, tzinfo=UTC),
        reason="accepted",
    )
    return sign_statement(
        unit,
        handle,
        issuer=did_key(unit.public(handle)),
        subject="pkg:generic/fan@1",
        media_type=media_type_of(Kind.WAIVER),
        payload=encode_payload(said),
        issued_at=1,
    )


@pytest.mark.parametrize(
    ("profile", "requirement", "told"),
    [
        ("software-product", "vulnerability-contact", None),
        ("software-product", "silent", None),
        ("software-product", "notice:vulnerability", None),
        ("software-product", "vulnerability-contract", "effect.waiver-requirement"),
        ("software-products", "vulnerability-contact", "effect.waiver-profile"),
    ],
)
def test_a_waiver_that_can_meet_nothing_is_told_of(profile, requirement, told):
    found = idle_waivers([waiver(profile, requirement)], named)
    assert [text for text, _ in found] == ([] if told is None else [told])


def test_what_is_no_statement_is_left_to_the_store():
    assert idle_waivers([b"", b"\x00" * 40], named) == []
