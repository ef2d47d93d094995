# SPDX-License-Identifier: Apache-2.0
"""Signed XML (XAdES, enveloped): what exactly did the verifier's signer sign?

Keeps: 1. Only what the signature covers is given back, as the bytes that were signed; whatever else
stands in the file has no effect. 2. The signature stands directly under the root and covers the
whole root: a part of a document signed elsewhere cannot be carried in. 3. The certificate is the
verifier's; one inside the file is never believed. 4. No document types, entities or fetching, and
bounds before any of it.
Standard: XML Signature 1.1, ETSI EN 319 132-1 (XAdES B-B).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from lxml import etree
from signxml.algorithms import DigestAlgorithm, SignatureMethod
from signxml.exceptions import SignXMLException
from signxml.verifier import SignatureConfiguration, XMLVerifier

from kizuna.model.errors import Malformed
from kizuna.roots.strict_xml import read_xml

__all__ = ["signed_document"]

_METHODS: Final = frozenset(
    {
        SignatureMethod.RSA_SHA256,
        SignatureMethod.RSA_SHA384,
        SignatureMethod.RSA_SHA512,
        SignatureMethod.SHA256_RSA_MGF1,
        SignatureMethod.SHA384_RSA_MGF1,
        SignatureMethod.SHA512_RSA_MGF1,
        SignatureMethod.ECDSA_SHA256,
        SignatureMethod.ECDSA_SHA384,
        SignatureMethod.ECDSA_SHA512,
    }
)
_DIGESTS: Final = frozenset(
    {DigestAlgorithm.SHA256, DigestAlgorithm.SHA384, DigestAlgorithm.SHA512}
)


def signed_document(
    data: bytes, root: str, certificates: Sequence[bytes], now: int, *, code: str, limit: int
) -> bytes | None:
    """The whole document as it was signed, without its signature; None where no given certificate
    signed all of it.

    Args:
        data: the file.
        root: the name of its root, ``{namespace}local``.
        certificates: DER, the verifier's.
        now: when the certificate must be valid.
        code: the problem's code for what is not XML of this kind.
        limit: most bytes.

    Raises:
        Malformed: ``code``.
    """
    if read_xml(data, code, limit).tag != root:
        raise Malformed(
            code,
            "the XML document is of another kind",
            why=f"its root is not {root}",
            hint="check which file this is",
            fault="its root has another name",
        )
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False
    )
    for der in certificates:
        signed = _covered(data, parser, der, now)
        for part in signed:
            # what was signed is parsed anew: nothing of the file as received is believed
            if part[:1] == b"<" and read_xml(part, code, limit).tag == root:
                return part
    return None


def _covered(data: bytes, parser: etree.XMLParser, der: bytes, now: int) -> list[bytes]:
    """The parts that a certificate's key signed; none where the signature does not hold."""
    try:
        tree = etree.fromstring(data, parser)
        places = tree.findall("{http://www.w3.org/2000/09/xmldsig#}Signature")
        if len(places) != 1:
            return []
        covered = tree.findall(
            ".//{http://www.w3.org/2000/09/xmldsig#}SignedInfo/"
            "{http://www.w3.org/2000/09/xmldsig#}Reference"
        )
        found = XMLVerifier().verify(
            tree,
            x509_cert=x509.load_der_x509_certificate(der),
            parser=parser,
            expect_config=SignatureConfiguration(
                location="./",
                expect_references=min(max(len(covered), 1), 4),
                signature_methods=_METHODS,
                digest_algorithms=_DIGESTS,
                ignore_ambiguous_key_info=True,
                verification_time=datetime.fromtimestamp(now, UTC),
            ),
        )
    except (SignXMLException, etree.LxmlError, UnsupportedAlgorithm, ValueError, TypeError):
        return []
    except (KeyError, AttributeError, IndexError, AssertionError, NotImplementedError):
        return []  # a signature of a form that the library does not expect
    results = found if isinstance(found, list) else [found]
    return [result.signed_data for result in results]
