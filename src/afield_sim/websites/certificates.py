"""Certificates for https sites, good and bad ones, by an authority of their own."""

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from .sites import Trick

_YEAR = timedelta(days=365)
_HERE: tuple[x509.GeneralName, ...] = (
    x509.DNSName("localhost"),
    x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
)
_ELSEWHERE = (x509.DNSName("www.elsewhere.example"),)


@dataclass(frozen=True, slots=True)
class Certificates:
    """PEM: the authority's certificate, and by what is wrong with it a server's, each with its key."""

    authority: bytes
    servers: dict[Trick, bytes]

    def of(self, trick: Trick) -> bytes:
        """The server certificate of a site; the good one where the trick is another."""
        return self.servers.get(trick, self.servers[Trick.NONE])


@cache
def certificates() -> Certificates:
    """Made once in a process."""
    now = datetime.now(UTC)
    authority = _Signer(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Afield simulator websites")]))
    root = authority.sign_itself(now)
    long_ago = now - 2 * _YEAR
    servers = {
        Trick.NONE: authority.issue(now, _HERE),
        Trick.EXPIRED: authority.issue(long_ago, _HERE),
        Trick.WRONG_HOST: authority.issue(now, _ELSEWHERE),
        Trick.SELF_SIGNED: _Signer(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])).issue(now, _HERE),
    }
    return Certificates(root.public_bytes(serialization.Encoding.PEM), servers)


class _Signer:
    """A key with a name: an authority, or a server that vouches for itself."""

    def __init__(self, name: x509.Name) -> None:
        self._name = name
        self._key = ec.generate_private_key(ec.SECP256R1())

    def sign_itself(self, now: datetime) -> x509.Certificate:
        """The authority's own certificate."""
        builder = self._begin(self._name, self._key, now).add_extension(_usage(signs=True), critical=True)
        constraints = x509.BasicConstraints(ca=True, path_length=0)
        return builder.add_extension(constraints, critical=True).sign(self._key, hashes.SHA256())

    def issue(self, begin: datetime, hosts: tuple[x509.GeneralName, ...]) -> bytes:
        """A server's certificate of a year from `begin`, with its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
        if subject == self._name:
            key = self._key
        certificate = (
            self._begin(subject, key, begin)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.SubjectAlternativeName(hosts), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        pem = serialization.Encoding.PEM
        plain = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        return certificate.public_bytes(pem) + plain

    def _begin(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, begin: datetime) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(begin - timedelta(hours=1))
            .not_valid_after(begin + _YEAR)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs,
        crl_sign=signs,
        encipher_only=False,
        decipher_only=False,
    )
