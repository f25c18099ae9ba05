"""Every signature is the one that botocore computes."""

from datetime import UTC, datetime
from typing import Any
from unittest.mock import patch

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials
from hypothesis import given, settings
from hypothesis import strategies as st

from aws_json.signature import Signer

PRINTABLE = st.characters(min_codepoint=0x20, max_codepoint=0x7E)
KEYS = st.text(PRINTABLE, min_size=1, max_size=40)
NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9-]{0,20}", fullmatch=True).filter(
    lambda name: name.lower() not in {"date", "authorization", "host", "x-amz-date"}
)
HEADERS = st.dictionaries(NAMES, st.text(PRINTABLE, max_size=30), max_size=5)
PATHS = st.lists(st.text(st.characters(codec="utf-8", exclude_characters="?#"), max_size=8)).map(
    lambda parts: "/" + "/".join(parts)
)
HOSTS = st.from_regex(r"[a-z][a-z0-9.-]{0,30}(:[1-9][0-9]{0,3})?", fullmatch=True)
MOMENTS = st.integers(0, 4_102_444_800)


@settings(max_examples=200)
@given(
    credentials=st.builds(ReadOnlyCredentials, KEYS, KEYS, st.none() | KEYS, account_id=st.none()),
    region=st.from_regex(r"[a-z0-9-]{1,20}", fullmatch=True),
    service=st.sampled_from(["dynamodb", "sqs"]),
    url=st.builds("{}://{}{}".format, st.sampled_from(["http", "https"]), HOSTS, PATHS),
    headers=HEADERS,
    requests=st.lists(st.tuples(st.binary(max_size=200), MOMENTS), min_size=1, max_size=4),
)
def test_any_request_is_signed_as_botocore_signs_it(  # noqa: PLR0917  pytest passes by name
    credentials: Any,
    region: str,
    service: str,
    url: str,
    headers: dict[str, str],
    requests: list[tuple[bytes, int]],
) -> None:
    headers = {"X-Amz-Target": "Service.Operation", **headers}
    signer = Signer(credentials, region, service, AWSRequest("POST", url, headers))
    for body, at in requests:
        request = AWSRequest("POST", url, headers, data=body)
        moment = datetime.fromtimestamp(at, UTC)
        with patch("botocore.auth.get_current_datetime", return_value=moment):
            SigV4Auth(credentials, service, region).add_auth(request)
        expected = {name.lower(): value for name, value in request.headers.items()}
        assert {n.lower(): v for n, v in signer.sign(body, at).items()} == expected
