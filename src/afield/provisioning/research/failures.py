"""Why a page could not be read."""

from __future__ import annotations

import ssl
from enum import StrEnum

import aiohttp
from yarl import URL

from afield.errors import AfieldError


class Reason(StrEnum):
    """What went wrong, told apart as far as it helps to decide what to do."""

    INVALID_URL = "invalid_url"
    FORBIDDEN = "forbidden_address"
    UNKNOWN_HOST = "unknown_host"
    NO_CONNECTION = "no_connection"
    CONNECTION_LOST = "connection_lost"
    TOO_SLOW = "too_slow"
    CERTIFICATE_EXPIRED = "certificate_expired"
    CERTIFICATE_NOT_YET_VALID = "certificate_not_yet_valid"
    CERTIFICATE_WRONG_HOST = "certificate_wrong_host"
    CERTIFICATE_SELF_SIGNED = "certificate_self_signed"
    CERTIFICATE_UNKNOWN_ISSUER = "certificate_unknown_issuer"
    CERTIFICATE_REFUSED = "certificate_refused"
    TLS = "tls"
    ROBOTS = "robots"
    REDIRECTS = "too_many_redirects"
    STATUS = "status"
    UNAVAILABLE = "unavailable"
    CONTENT_TYPE = "content_type"
    ENCODING = "content_encoding"
    TOO_LARGE = "too_large"
    NOTHING_TO_READ = "nothing_to_read"


_PASSING = {Reason.UNKNOWN_HOST, Reason.NO_CONNECTION, Reason.CONNECTION_LOST, Reason.TOO_SLOW, Reason.UNAVAILABLE}
# Numbers of OpenSSL (X509_V_ERR_*), which Python hands on as `verify_code`.
_CERTIFICATE = {
    9: (Reason.CERTIFICATE_NOT_YET_VALID, "certificate is not valid yet"),
    10: (Reason.CERTIFICATE_EXPIRED, "certificate has expired"),
    18: (Reason.CERTIFICATE_SELF_SIGNED, "certificate is self-signed"),
    19: (Reason.CERTIFICATE_UNKNOWN_ISSUER, "certificate comes from an authority that is not trusted here"),
    20: (Reason.CERTIFICATE_UNKNOWN_ISSUER, "certificate comes from an authority that is not trusted here"),
    21: (Reason.CERTIFICATE_UNKNOWN_ISSUER, "certificate comes without the authority that issued it"),
    62: (Reason.CERTIFICATE_WRONG_HOST, "certificate belongs to another host"),
    64: (Reason.CERTIFICATE_WRONG_HOST, "certificate belongs to another host"),
}
_CERTIFICATE_HINT = "Visitors of the site are warned, too. Its owner has to renew or correct the certificate."
_HINTS = {
    Reason.INVALID_URL: "Give the address of a website, such as https://www.example.com.",
    Reason.FORBIDDEN: "Only public websites are read.",
    Reason.UNKNOWN_HOST: "Check the spelling of the address.",
    Reason.ROBOTS: "Its owner does not want it read by programs; give another site.",
    Reason.CERTIFICATE_UNKNOWN_ISSUER: "Give the authority's certificate in SSL_CERT_FILE if you trust it.",
    Reason.TOO_LARGE: "Give the address of an ordinary page of the site.",
    Reason.CONTENT_TYPE: "Give the address of an ordinary page of the site.",
    Reason.NOTHING_TO_READ: "Say what the company does in `industry_hint`.",
}


class ScrapeError(AfieldError):
    """A page could not be read. `reason` says why, `url` which (without its query), `passing` whether to try again."""

    code = "scrape_failed"
    status = 422

    def __init__(self, reason: Reason, url: URL | str, what: str) -> None:
        self.reason, self.url, self.what = reason, shown(url), what
        hint = _HINTS.get(reason, _CERTIFICATE_HINT if reason.startswith("certificate") else "")
        super().__init__(f"Failed to scrape URL: {what} ({self.url}).", hint=hint)

    @property
    def passing(self) -> bool:
        """Whether it may be different in a while."""
        return self.reason in _PASSING


def shown(url: URL | str) -> str:
    """An address that can be shown: without user, password, query and fragment."""
    if isinstance(url, str):
        return url.split("?", 1)[0].split("#", 1)[0].rsplit("@", 1)[-1][:200]
    return str(url.with_user(None).with_query(None).with_fragment(None)) if url.absolute else str(url.path)


def of_certificate(error: ssl.SSLCertVerificationError) -> tuple[Reason, str]:
    """What is wrong with a certificate."""
    said = str(error.verify_message).strip()
    return _CERTIFICATE.get(error.verify_code, (Reason.CERTIFICATE_REFUSED, f"certificate was refused: {said}"))


def of_connection(error: Exception) -> tuple[Reason, str]:  # noqa: PLR0911 - a table with patterns
    """What an error of the HTTP client or of a socket says."""
    match error:
        case aiohttp.ClientConnectorCertificateError(certificate_error=ssl.SSLCertVerificationError() as inner):
            return of_certificate(inner)
        case aiohttp.ClientSSLError():
            return Reason.TLS, f"no secure connection: {getattr(error.os_error, 'reason', None) or 'TLS failed'}"
        case aiohttp.ClientConnectorDNSError():
            return Reason.UNKNOWN_HOST, "the host is not known"
        case aiohttp.ClientConnectorError():
            return Reason.NO_CONNECTION, "nothing answers there"
        case aiohttp.InvalidURL():
            return Reason.INVALID_URL, "this is not an address that can be called"
        case TimeoutError():
            return Reason.TOO_SLOW, "no complete answer in time"
    return Reason.CONNECTION_LOST, f"the connection broke ({type(error).__name__})"
