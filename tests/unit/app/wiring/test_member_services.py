# SPDX-License-Identifier: Apache-2.0
import pytest

from kizuna.app.wiring.lists.own import member_services
from kizuna.model.errors import Refused
from kizuna.model.kind import Kind


def test_a_role_brings_its_services():
    (service,) = member_services(["maker"], ["pkg:generic/acme"])
    assert Kind.LINK in service.kinds
    assert service.scope == ["pkg:generic/acme"]


@pytest.mark.parametrize("roles", [["self"], ["maker", "self"]])
def test_nobody_else_gets_the_role_of_the_operator(roles):
    with pytest.raises(Refused) as caught:
        member_services(roles, ["*"])
    assert caught.value.code == "list.role-own"
