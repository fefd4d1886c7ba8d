"""Where an Azure virtual machine is, and how to sign in there."""

from __future__ import annotations

import re
from enum import StrEnum
from ipaddress import ip_address
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, field_validator

from afield.connectors.base import StrictModel

PUBLIC_MANAGEMENT_URL = "https://management.azure.com"
PUBLIC_AUTHORITY_URL = "https://login.microsoftonline.com"

_VM_ID = re.compile(
    r"/subscriptions/(?P<subscription>[^/?#\s]+)/resourceGroups/(?P<group>[^/?#\s]+)"
    r"/providers/Microsoft\.Compute/virtualMachines/(?P<vm>[^/?#\s]+)",
    re.IGNORECASE,
)


def is_loopback(host: str) -> bool:
    """Whether `host` is this machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _service_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"https", "http"} or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("must be an https URL")
    if parts.username or parts.password:
        raise ValueError("must not contain credentials")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise ValueError("must be https: the token goes there")
    return url.rstrip("/")


ServiceUrl = Annotated[str, AfterValidator(_service_url)]


class Identity(StrEnum):
    """Who asks for the tokens."""

    CLIENT_SECRET = "client_secret"  # noqa: S105 - the name of a way, no secret
    MANAGED_IDENTITY = "managed_identity"


class AzureAccountAddress(StrictModel):
    """How to reach Azure Resource Manager and to sign in; the defaults are those of the public cloud."""

    management_url: ServiceUrl = PUBLIC_MANAGEMENT_URL
    authority_url: ServiceUrl = PUBLIC_AUTHORITY_URL
    ca_file: str | None = Field(default=None, min_length=1, description="Certificates to trust besides the system's.")
    identity: Identity = Identity.CLIENT_SECRET
    imds_url: str | None = Field(
        default=None,
        pattern=r"^http://[^/\s]+$",
        description="Where the instance metadata service is, if not at its usual address.",
    )

    @property
    def host(self) -> str:
        """Host and port that tokens are meant for."""
        return urlsplit(self.management_url).netloc.lower()


class VmAddress(AzureAccountAddress):
    """One virtual machine. Names are compared without case, as Azure Resource Manager does."""

    resource_id: str = Field(default="", validate_default=True, description="Full resource id of the VM.")
    output_container: ServiceUrl | None = Field(
        default=None, description="Blob container for full output; needs `output_sas` in the credential."
    )

    protect_parameters: bool = Field(
        default=False,
        description="Send `env` of managed run commands as protected parameters, which Azure never shows.",
    )

    @field_validator("resource_id")
    @classmethod
    def _is_a_vm(cls, value: str) -> str:
        if _VM_ID.fullmatch(value.rstrip("/")) is None:
            raise ValueError(
                "Azure connector requires resource_id: "
                "/subscriptions/…/resourceGroups/…/providers/Microsoft.Compute/virtualMachines/…"
            )
        return value.rstrip("/")

    @property
    def subscription_id(self) -> str:
        return self._part("subscription")

    @property
    def resource_group(self) -> str:
        return self._part("group")

    @property
    def vm_name(self) -> str:
        return self._part("vm")

    @property
    def vm_key(self) -> str:
        """The VM, the same however its id is written."""
        return f"{self.management_url}{self.resource_id}".lower()

    def same_vm(self, resource_id: str) -> bool:
        """Whether an id Azure gave means this VM."""
        return resource_id.rstrip("/").lower() == self.resource_id.lower()

    def _part(self, name: str) -> str:
        found = _VM_ID.fullmatch(self.resource_id)
        assert found is not None, "validated"
        return found[name]
