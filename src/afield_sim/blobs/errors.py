"""Error answers of the blob service, in its words.

Source: Microsoft Learn, "Blob Storage error codes".
"""

from xml.sax.saxutils import escape


class BlobError(Exception):
    """An answer that is not a success."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(status, code, message)
        self.status = status
        self.code = code
        self.message = message

    def body(self, request_id: str, time: str) -> bytes:
        """The answer's XML."""
        text = f"{self.message}\nRequestId:{request_id}\nTime:{time}"
        error = f"<Error><Code>{self.code}</Code><Message>{escape(text)}</Message></Error>"
        return f'<?xml version="1.0" encoding="utf-8"?>{error}'.encode()


def authentication_failed() -> BlobError:
    """403: a signature that is wrong, over, or not there."""
    return BlobError(
        403,
        "AuthenticationFailed",
        "Server failed to authenticate the request. Make sure the value of Authorization header is formed correctly "
        "including the signature.",
    )


def no_authentication() -> BlobError:
    """401: nothing that says who is asking."""
    return BlobError(401, "NoAuthenticationInformation", "Server failed to authenticate the request.")


def permission_mismatch() -> BlobError:
    """403: a good signature that does not allow this."""
    text = "This request is not authorized to perform this operation using this permission."
    return BlobError(403, "AuthorizationPermissionMismatch", text)


def container_not_found() -> BlobError:
    """404: no such container."""
    return BlobError(404, "ContainerNotFound", "The specified container does not exist.")


def container_exists() -> BlobError:
    """409: the container is there already."""
    return BlobError(409, "ContainerAlreadyExists", "The specified container already exists.")


def blob_not_found() -> BlobError:
    """404: no such blob."""
    return BlobError(404, "BlobNotFound", "The specified blob does not exist.")


def blob_exists() -> BlobError:
    """409: the blob is there although it must not be."""
    return BlobError(409, "BlobAlreadyExists", "The specified blob already exists.")


def invalid_type() -> BlobError:
    """409: not an append blob."""
    return BlobError(409, "InvalidBlobType", "The blob type is invalid for this operation.")


def too_many_blocks() -> BlobError:
    """409: an append blob has 50,000 blocks at most."""
    text = "The committed block count cannot exceed the maximum limit of 50,000 blocks."
    return BlobError(409, "BlockCountExceedsLimit", text)


def too_large() -> BlobError:
    """413: a block has 4 MiB at most."""
    return BlobError(413, "RequestBodyTooLarge", "The request body is too large and exceeds the maximum limit.")


def wrong_position() -> BlobError:
    """412: the blob does not end where the caller thinks."""
    text = "The append position condition specified was not met."
    return BlobError(412, "AppendPositionConditionNotMet", text)


def invalid_range() -> BlobError:
    """416: a range that begins after the end."""
    return BlobError(416, "InvalidRange", "The range specified is invalid for the current size of the resource.")


def invalid_header(name: str) -> BlobError:
    """400: a header whose value nobody understands."""
    text = f"The value for one of the HTTP headers is not in the correct format: {name}."
    return BlobError(400, "InvalidHeaderValue", text)


def unsupported() -> BlobError:
    """400: an operation this service does not have."""
    text = "The requested operation is not implemented by this emulation."
    return BlobError(400, "UnsupportedQueryParameter", text)
