# SPDX-License-Identifier: Apache-2.0
"""Federation: entities, those above them, and what a chain up to an anchor says.

Keeps: a federation is one more way to learn who somebody is and what a list says of them; what it
gives becomes entries of a trust list, and authority comes from those alone.
Standard: OpenID Federation 1.0.
"""

from kizuna.record.lists.federation.chain import Anchor, Resolved, check_chain
from kizuna.record.lists.federation.entity import (
    FEDERATION_ENTITY,
    EntityStatement,
    check_entity_id,
    check_rules,
    jwks_of,
    read_entity_statement,
    read_keys,
    sign_entity_statement,
)
from kizuna.record.lists.federation.mark import (
    TrustMark,
    check_mark,
    check_mark_status,
    read_mark,
    sign_delegation,
    sign_mark,
    sign_mark_status,
)
from kizuna.record.lists.federation.policy import apply, merge
from kizuna.record.lists.federation.resolve import (
    CountedMark,
    Resolver,
    Source,
    configuration_url,
    read_resolve_response,
    sign_resolve_response,
)

__all__ = [
    "FEDERATION_ENTITY",
    "Anchor",
    "CountedMark",
    "EntityStatement",
    "Resolved",
    "Resolver",
    "Source",
    "TrustMark",
    "apply",
    "check_chain",
    "check_entity_id",
    "check_mark",
    "check_mark_status",
    "check_rules",
    "configuration_url",
    "jwks_of",
    "merge",
    "read_entity_statement",
    "read_keys",
    "read_mark",
    "read_resolve_response",
    "sign_delegation",
    "sign_entity_statement",
    "sign_mark",
    "sign_mark_status",
    "sign_resolve_response",
]
