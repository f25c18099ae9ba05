"""Forward to the local AWS what the policies of the stacks allow, and refuse the rest.

The local AWS enforces no policies. A process behind this proxy signs with the name of its service
as access key id, which represents a role with the policy that the service's stack publishes; an
operator of the service signs as `<service>-operator`.
"""

import asyncio
import json
import os
import re
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from aiohttp import web

from deploy.local.provision import client
from tests.support.aws_proxy import AwsProxy
from tests.support.policies import (
    Permission,
    Policy,
    SignedRequest,
    list_bucket,
    permissions,
    signer,
)

_POLICIES: Final = {"/policy-arn": "", "/dead-letters-policy-arn": "-operator"}
"""End of a published name -> end of the principal's name."""
_NOT_FOUND: Final = 404
_DENIED: Final = 403


def published_policies(endpoint: str, names: Mapping[str, str]) -> dict[str, Policy]:
    """Return principal -> policy, of the policies among published names."""
    iam = client("iam", endpoint)
    found: dict[str, Policy] = {}
    for name, arn in names.items():
        for ending, suffix in _POLICIES.items():
            if name.endswith(ending):
                version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
                read = iam.get_policy_version(PolicyArn=arn, VersionId=version)
                document = read["PolicyVersion"]["Document"]
                found[name.removesuffix(ending) + suffix] = Policy.of(document)
    return found


@dataclass
class PolicyProxy(AwsProxy):
    """Stand between processes and the local AWS, and enforce their policies."""

    stack: str = ""
    """Name of the stack whose policies are enforced."""
    policies: Mapping[str, Policy] = field(default_factory=dict)
    used: Counter[tuple[str, Permission]] = field(default_factory=Counter)
    """(principal, permission) -> number of requests that needed it and got it."""
    denied: Counter[tuple[str, Permission]] = field(default_factory=Counter)

    def unused(self) -> set[tuple[str, Permission]]:
        """Return (principal, grant) of each grant that no request has needed."""
        needed: dict[str, set[Permission]] = {}
        for principal, permission in self.used:
            needed.setdefault(principal, set()).add(permission)
        return {
            (principal, grant)
            for principal, policy in self.policies.items()
            for grant in policy.granted
            if not any(grant.covers(each) for each in needed.get(principal, ()))
        }

    def record(self) -> None:
        """Append the grants and their use to the file in ENFORCE_POLICIES, if there is one."""
        if not (file := os.environ.get("ENFORCE_POLICIES")):
            return
        unused = self.unused()
        with Path(file).open("a") as log:
            for principal, policy in self.policies.items():
                for grant in policy.granted:
                    words = [
                        principal,
                        grant.action,
                        re.sub(rf"\b{self.stack}-", "<stack>-", grant.resource),
                    ]
                    log.write(json.dumps([*words, (principal, grant) not in unused]) + "\n")

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        signed = await _signed(request)
        if signed is None:
            return await super()._handle(request)
        for needed in permissions(signed):
            if not self._allows(signed.principal, needed):
                return _access_denied(signed, needed)
        response = await super()._handle(request)
        if signed.service == "s3" and response.status == _NOT_FOUND:
            needed = list_bucket(signed)
            if not self._allows(signed.principal, needed):
                return _access_denied(signed, needed)
        return response

    def _allows(self, principal: str, needed: Permission) -> bool:
        policy = self.policies.get(principal)
        allowed = policy is not None and policy.allows(needed)
        (self.used if allowed else self.denied)[principal, needed] += 1
        return allowed


async def _signed(request: web.Request) -> SignedRequest | None:
    found = signer(request.headers.get("Authorization", ""))
    if found is None:
        return None
    principal, service = found
    target = request.headers.get("X-Amz-Target", "").rpartition(".")[2]
    return SignedRequest(
        principal,
        service,
        request.method,
        request.path,
        request.query_string,
        target,
        await request.read(),
    )


def _access_denied(signed: SignedRequest, needed: Permission) -> web.Response:
    message = (
        f"{signed.principal} is not authorized to perform: {needed.action} on {needed.resource}"
    )
    if signed.service == "s3":
        body = f"<Error><Code>AccessDenied</Code><Message>{message}</Message></Error>"
        return web.Response(status=_DENIED, text=body, content_type="application/xml")
    shape = "AccessDeniedException"
    if signed.service == "dynamodb":
        shape = f"com.amazon.coral.service#{shape}"
    return web.json_response(
        {"__type": shape, "message": message, "Message": message},
        status=400 if signed.service == "dynamodb" else _DENIED,
        headers={"x-amzn-ErrorType": "AccessDeniedException"},
    )


@contextmanager
def policy_proxy(endpoint: str, stack: str, names: Mapping[str, str]) -> Iterator[PolicyProxy]:
    """Run a proxy, in a thread, that enforces the policies among the published names."""
    proxy = PolicyProxy(endpoint, stack=stack, policies=published_policies(endpoint, names))
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    def run(coroutine: Any) -> None:
        asyncio.run_coroutine_threadsafe(coroutine, loop).result(10)

    run(proxy.open())
    try:
        yield proxy
    finally:
        run(proxy.close())
        proxy.record()
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
