"""Sign requests with Signature Version 4 as botocore does, with most of the work done once."""

import hmac
import time
from hashlib import sha256
from typing import Any, Final

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest

_UNKNOWN_TIME: Final = "00000000T000000Z"
_DIGEST_CHARACTERS: Final = 64


class Signer:
    """Sign requests that differ in their body and time only.

    Args:
        credentials: Frozen credentials of botocore.
        region: Region of the signature.
        service: Signing name of the service.
        request: Method, URL and headers of every request. The headers are all signed, except those
            that botocore does not sign, such as `User-Agent`.
    """

    def __init__(self, credentials: Any, region: str, service: str, request: AWSRequest) -> None:
        headers = dict(request.headers.items())
        if credentials.token:
            headers["X-Amz-Security-Token"] = credentials.token
        timed = {**headers, "X-Amz-Date": _UNKNOWN_TIME}
        template = AWSRequest(request.method, request.url, headers=timed, data=b"")
        auth = SigV4Auth(credentials, service, region)
        # botocore normalises path, host and headers once; a request adds its time and its digest
        canonical = auth.canonical_request(template)[:-_DIGEST_CHARACTERS]
        self._before, _, self._after = canonical.partition(_UNKNOWN_TIME)
        self._signed_headers = auth.signed_headers(auth.headers_to_sign(template))
        self._credentials = credentials
        self._parts = region, service, "aws4_request"
        self._headers = headers
        self._day = ""
        self._second = (-1, "")
        """UNIX seconds of the last signature, and their text."""

    def sign(self, body: bytes, at: float) -> dict[str, str]:
        """Return the headers of a request with this body, sent at `at` (UNIX seconds)."""
        second, stamp = self._second
        if second != int(at):
            stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(at))
            self._second = (int(at), stamp)
        if (day := stamp[:8]) != self._day:
            self._begin(day)
        canonical = f"{self._before}{stamp}{self._after}{sha256(body).hexdigest()}"
        digest = sha256(canonical.encode()).hexdigest()
        text = f"AWS4-HMAC-SHA256\n{stamp}\n{self._scope}\n{digest}"
        signature = hmac.digest(self._key, text.encode(), "sha256").hex()
        return {
            **self._headers,
            "X-Amz-Date": stamp,
            "Authorization": f"{self._authorization}{signature}",
        }

    def _begin(self, day: str) -> None:
        """Derive the key and the texts that hold for a day (UTC)."""
        parts = day, *self._parts
        key = b"AWS4" + self._credentials.secret_key.encode()
        for part in parts:
            key = hmac.digest(key, part.encode(), "sha256")
        self._key = key
        self._scope = "/".join(parts)
        self._authorization = (
            f"AWS4-HMAC-SHA256 Credential={self._credentials.access_key}/{self._scope}, "
            f"SignedHeaders={self._signed_headers}, Signature="
        )
        self._day = day
