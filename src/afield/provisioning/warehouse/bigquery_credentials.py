"""Credentials for Google's services from a file that somebody named. The environment's own need nothing of this."""

from __future__ import annotations

from pathlib import Path

from google.auth.credentials import Credentials
from google.auth.exceptions import GoogleAuthError
from google.oauth2 import service_account

from afield.errors import CredentialError

_SCOPE = "https://www.googleapis.com/auth/cloud-platform"


def credentials_of(file: Path | None) -> Credentials | None:
    """A service account's key from its file; None without one. Blocks. Raises CredentialError, which quotes nothing of
    the file."""
    if file is None:
        return None
    try:
        found: Credentials = service_account.Credentials.from_service_account_file(str(file), scopes=[_SCOPE])  # type: ignore[no-untyped-call]
    except (GoogleAuthError, OSError, ValueError) as error:
        hint = "AFIELD_PROVISION_GOOGLE_CREDENTIALS names it. For credentials of other kinds leave it out."
        raise CredentialError(f"{file} is no service account's key: {type(error).__name__}.", hint=hint) from None
    return found
