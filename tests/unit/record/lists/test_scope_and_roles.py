# SPDX-License-Identifier: Apache-2.0
"""Scopes end at borders of names; roles are templates that can only be narrowed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kizuna.model.errors import Malformed
from kizuna.model.kind import Kind
from kizuna.model.payload import Level
from kizuna.record.lists import ROLES, Role, check_scope, in_scope, service_for


@pytest.mark.parametrize(
    ("identifier", "prefix", "inside"),
    [
        ("pkg:generic/acme/fan@1", "pkg:generic/acme", True),
        ("pkg:generic/acme", "pkg:generic/acme", True),
        ("pkg:generic/acme@2", "pkg:generic/acme", True),
        ("pkg:generic/acme-evil/fan@1", "pkg:generic/acme", False),
        ("pkg:generic/acmefan", "pkg:generic/acme", False),
        ("pkg:generic/acm", "pkg:generic/acme", False),
        ("pkg:npm/x", "pkg:", True),
        ("did:web:a.example:plant", "did:web:a.example", True),
        ("did:web:a.example.evil", "did:web:a.example", False),
        ("https://a.example/x", "https://a.example", True),
        ("https://a.example.evil/x", "https://a.example", False),
        ("https://id.gs1.org/01/0614141123452/21/7", "https://id.gs1.org/01/0614141123452", True),
        ("https://id.gs1.org/01/06141411234529", "https://id.gs1.org/01/0614141123452", False),
        ("anything:else", "*", True),
    ],
)
def test_a_prefix_ends_at_the_border_of_a_name(identifier, prefix, inside):
    assert in_scope(identifier, [prefix]) is inside


def test_ones_own_name_is_always_in_scope():
    assert in_scope("did:key:z1", [], own="did:key:z1")
    assert not in_scope("did:key:z1", [])


def test_a_scope_is_written_without_repetition():
    assert check_scope(["pkg:npm/b", "pkg:npm/b/c", "pkg:npm/a"]) == ("pkg:npm/a", "pkg:npm/b")
    assert check_scope(["pkg:npm/b", "*"]) == ("*",)


@pytest.mark.parametrize(
    "prefix", ["", "acme", "PKG:npm/a", "pkg:npm/*", "pkg:npm/a b", "x" * 3_000]
)
def test_prefixes_that_match_nothing_are_refused(prefix):
    with pytest.raises(Malformed) as fault:
        check_scope([prefix])
    assert fault.value.code == "list.scope"


@given(st.text("ab/:@?#.-", min_size=1), st.text("ab/:@?#.-", min_size=1))
def test_longer_names_are_inside_only_behind_a_border(prefix, rest):
    inside = in_scope(prefix + rest, [prefix])
    assert inside is (prefix[-1] in "/:@?#" or rest[0] in "/:@?#")


@pytest.mark.parametrize("role", list(Role))
def test_every_role_makes_a_service_that_names_itself(role):
    service = service_for(role, scope=["pkg:generic/acme"])
    assert service.type == role.value
    assert tuple(service.kinds) == ROLES[role].kinds
    assert service.level is ROLES[role].level


def test_independent_roles_speak_about_everything_unless_narrowed():
    assert service_for(Role.COORDINATOR).scope == ["*"]
    narrowed = service_for(Role.CERTIFICATION_BODY, claims=["iso-27001"], level=Level.SECOND)
    assert narrowed.claims == ["iso-27001"]
    assert narrowed.level is Level.SECOND


def test_makers_never_certify_and_only_list_operators_enter_others():
    assert Kind.CERTIFICATE not in ROLES[Role.MAKER].kinds
    others = [r for r in Role if Kind.MEMBERSHIP in ROLES[r].kinds]
    assert others == [Role.LIST_OPERATOR, Role.SELF]
    assert ROLES[Role.SELF].level is Level.SELF


@pytest.mark.parametrize("claims", [None, ["*"], ["idevid"], ["jc-star"], ["idevid", "jc-star"]])
def test_a_device_maker_certifies_the_first_identity_of_its_devices_and_nothing_else(claims):
    service = service_for(Role.DEVICE_MAKER, scope=["urn:ueid:acme"], claims=claims)
    assert (service.kinds, service.claims) == ([Kind.CERTIFICATE], ["idevid"])
    assert service.level is Level.SELF
    with pytest.raises(Malformed) as fault:
        service_for(Role.DEVICE_MAKER)
    assert fault.value.code == "list.scope-missing"


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda: service_for("king"), "list.role-unknown"),
        (lambda: service_for(Role.MAKER), "list.scope-missing"),
        (lambda: service_for(Role.MAKER, scope=["x"]), "list.scope"),
        (lambda: service_for(Role.ASSESSOR, level=Level.THIRD), "list.level"),
    ],
)
def test_wrong_roles_are_refused_by_code(make, code):
    with pytest.raises(Malformed) as fault:
        make()
    assert fault.value.code == code
    assert fault.value.hint
