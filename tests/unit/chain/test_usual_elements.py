# SPDX-License-Identifier: Apache-2.0
"""What a thing is taken for by its name alone."""

import numpy as np
import pytest

from kizuna.chain.graph.graph import ELEMENTS, Graph
from kizuna.model.identifier import Element


@pytest.mark.parametrize(
    ("name", "element"),
    [
        ("did:web:fuji.example", Element.ORGANIZATION),
        ("did:web:fuji.example/parties/sato", Element.ORGANIZATION),
        ("urn:lei:5493001KJTIIGC8Y1R12", Element.ORGANIZATION),
        (
            "urn:oasis:names:tc:ebcore:partyid-type:iso6523:0188:8000000000001",
            Element.ORGANIZATION,
        ),
        ("https://fuji.example", Element.ORGANIZATION),
        ("https://fuji.example/pump", Element.COMPONENT),
        ("pkg:generic/fuji/pump@4.2", Element.COMPONENT),
        ("urn:cdx:3e671687-395b-41f5-a30f-a58921a69b79/1#fuji", Element.COMPONENT),
    ],
)
def test_a_name_tells_an_organisation_from_a_part(name, element):
    graph = Graph()
    node = graph.names.id(name)
    bits = graph.usual_elements(np.asarray([node], dtype=np.int64))
    assert bits.tolist() == [1 << ELEMENTS.index(element)]
