# SPDX-License-Identifier: Apache-2.0
"""Lists to try things with: ours, and signed XML of others."""

import base64
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID
from lxml import etree
from signxml.algorithms import DigestAlgorithm, SignatureMethod
from signxml.xades import XAdESSigner

NOW = 1_790_000_000
DAY = 86_400
NS = "http://uri.etsi.org/02231/v2#"
QC = "http://uri.etsi.org/TrstSvc/Svctype/CA/QC"
FORM = "http://uri.etsi.org/TrstSvc/TrustedList/SvcInfoExt/ForeSeals"
GRANTED = "http://uri.etsi.org/TrstSvc/TrustedList/Svcstatus/granted"
WITHDRAWN = "http://uri.etsi.org/TrstSvc/TrustedList/Svcstatus/withdrawn"


@dataclass(frozen=True)
class Signer:
    """A key with its certificate."""

    key: object
    certificate: x509.Certificate

    @property
    def der(self):
        return self.certificate.public_bytes(serialization.Encoding.DER)

    @property
    def pem(self):
        return self.certificate.public_bytes(serialization.Encoding.PEM)


def a_signer(name="Ministry", *, curve=True, begins=NOW - 100 * DAY, ends=NOW + 900 * DAY):
    key = (
        ec.generate_private_key(ec.SECP256R1())
        if curve
        else rsa.generate_private_key(public_exponent=65537, key_size=2048)
    )
    named = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, name)])
    made = (
        x509.CertificateBuilder()
        .subject_name(named)
        .issuer_name(named)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.fromtimestamp(begins, UTC))
        .not_valid_after(datetime.fromtimestamp(ends, UTC))
        .sign(key, hashes.SHA256())
    )
    return Signer(key, made)


def iso(instant):
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=instant)).strftime(
        "%Y-%m-%dT%H:%M:%SZ"
    )


def a_service(certificate, *, status=GRANTED, since=NOW - 50 * DAY, history=(), extension=""):
    text = base64.b64encode(certificate.der).decode()
    spells = "".join(
        f"""<ServiceHistoryInstance><ServiceTypeIdentifier>{QC}</ServiceTypeIdentifier>
        <ServiceName><Name xml:lang="en">old</Name></ServiceName>
        <ServiceDigitalIdentity/><ServiceStatus>{state}</ServiceStatus>
        <StatusStartingTime>{iso(begin)}</StatusStartingTime></ServiceHistoryInstance>"""
        for state, begin in history
    )
    return f"""<TSPService><ServiceInformation>
      <ServiceTypeIdentifier>{QC}</ServiceTypeIdentifier>
      <ServiceName><Name xml:lang="en">Seals</Name></ServiceName>
      <ServiceDigitalIdentity><DigitalId><X509Certificate>{text}</X509Certificate></DigitalId>
      </ServiceDigitalIdentity>
      <ServiceStatus>{status}</ServiceStatus>
      <StatusStartingTime>{iso(since)}</StatusStartingTime>
      <ServiceInformationExtensions><Extension Critical="true"><AdditionalServiceInformation>
        <URI xml:lang="en">{FORM}</URI></AdditionalServiceInformation></Extension>{extension}
      </ServiceInformationExtensions></ServiceInformation>
      <ServiceHistory>{spells}</ServiceHistory></TSPService>"""


def a_trusted_list(services, *, sequence=7, issued=NOW - DAY, due=NOW + 30 * DAY, name="Trust AG"):
    end = f"<NextUpdate><dateTime>{iso(due)}</dateTime></NextUpdate>" if due else "<NextUpdate/>"
    return f"""<TrustServiceStatusList xmlns="{NS}" Id="list"
      TSLTag="http://uri.etsi.org/19612/TSLTag"><SchemeInformation>
      <TSLVersionIdentifier>6</TSLVersionIdentifier>
      <TSLSequenceNumber>{sequence}</TSLSequenceNumber>
      <TSLType>http://uri.etsi.org/TrstSvc/TrustedList/TSLType/EUgeneric</TSLType>
      <SchemeOperatorName><Name xml:lang="en">Ministry</Name></SchemeOperatorName>
      <SchemeName><Name xml:lang="de">Liste</Name><Name xml:lang="en">XX: list</Name></SchemeName>
      <SchemeTerritory>XX</SchemeTerritory>
      <ListIssueDateTime>{iso(issued)}</ListIssueDateTime>{end}
      <DistributionPoints><URI>https://tl.example/tl.xml</URI></DistributionPoints>
      </SchemeInformation><TrustServiceProviderList><TrustServiceProvider><TSPInformation>
      <TSPName><Name xml:lang="en">{name}</Name></TSPName></TSPInformation>
      <TSPServices>{"".join(services)}</TSPServices></TrustServiceProvider>
      </TrustServiceProviderList></TrustServiceStatusList>"""


def signed_xml(text, signer):
    curve = isinstance(signer.key, ec.EllipticCurvePrivateKey)
    root = XAdESSigner(
        signature_algorithm=(SignatureMethod.ECDSA_SHA256 if curve else SignatureMethod.RSA_SHA256),
        digest_algorithm=DigestAlgorithm.SHA256,
    ).sign(
        etree.fromstring(text.encode()),
        key=signer.key,
        cert=[signer.certificate],
        always_add_key_value=False,
    )
    return etree.tostring(root)
