"""Deploy the data stacks, and derive the services' environment from what they publish."""

import json
import shlex
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from deploy.folders import DATA_STACKS
from deploy.local.settings import CHAIN_ID, HOST, REGION

CREDENTIALS = {"aws_access_key_id": "local", "aws_secret_access_key": "local"}
TIMEOUT_SECONDS = 180


class NotDeployed(Exception):
    """A stack could not be deployed; the message gives CloudFormation's reason."""


def client(service: str, endpoint: str) -> Any:
    """Return a client of the local AWS."""
    import boto3  # noqa: PLC0415  slow, and not needed by what starts a service

    return boto3.client(service, endpoint_url=endpoint, region_name=REGION, **CREDENTIALS)


def deploy(endpoint: str, stack: str, web_url: str) -> dict[str, str]:
    """Create or update the data stacks, and return what they publish: name -> value.

    `web_url` is the origin of the web pages, to which the sign-in pages return; they return to
    `localhost`, too, if it is one of this machine.

    Raises:
        NotDeployed: the deployment of a stack failed.
    """
    given = {
        "Stack": stack,
        "WebUrl": web_url,
        "OtherWebUrl": web_url.replace(HOST, "localhost") if HOST in web_url else "",
        "PasswordSignIn": "true",
        "DeletionProtection": "false",
    }
    formation = client("cloudformation", endpoint)
    names = [
        create_or_update(formation, file, given) for file in sorted(DATA_STACKS.glob("*.yaml"))
    ]
    for name in names:
        wait_until_deployed(formation, name)
    return published(endpoint, stack)


def published(endpoint: str, stack: str) -> dict[str, str]:
    """Return the names that the stacks publish in the parameter store under `/vouch/<stack>/`."""
    prefix = f"/vouch/{stack}/"
    pages = client("ssm", endpoint).get_paginator("get_parameters_by_path")
    return {
        row["Name"].removeprefix(prefix): row["Value"]
        for page in pages.paginate(Path=prefix, Recursive=True)
        for row in page["Parameters"]
    }


def service_environment(
    endpoint: str, stack: str, redis_url: str, names: Mapping[str, str], chain_url: str = ""
) -> dict[str, str]:
    """Return the environment of every service; AWS_ENDPOINT_URL points them to the local AWS.

    `names` are what the stacks publish. `chain_url` is the URL of a local chain, which is called
    `local`; empty: there is none.
    """
    return chain_environment(chain_url) | {
        "STACK": stack,
        "REDIS_URL": redis_url,
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": CREDENTIALS["aws_access_key_id"],
        "AWS_SECRET_ACCESS_KEY": CREDENTIALS["aws_secret_access_key"],
        # tokens name the real AWS as their issuer; the local one serves their keys
        "COGNITO_ISSUER": names["people/issuer"],
        "COGNITO_JWKS_URL": f"{endpoint}/{names['people/user-pool-id']}/.well-known/jwks.json",
        "COGNITO_CLIENT_IDS": names["people/client-id"],
        "COGNITO_SERVICE_CLIENT_IDS": names["people/service-client-id"],
        # for this machine only; a deployment takes it from its store of secrets
        "INVITES_KEY": "local-key-of-tokens-that-open-nothing-elsewhere",
        "REFERRALS_KEY": "local-key-of-ids-that-are-used-nowhere-else",
        "SEGMENTS_BUCKET": names["compute/segments-bucket"],
        "MAIL_CONFIGURATION_SET": names["mail/configuration-set"],
    }


def web_environment(web_url: str, sign_in_origin: str) -> dict[str, str]:
    """Return the variables that lead people to the pages of this machine's gateway."""
    return {
        "INVITE_URL": f"{web_url}/app/invited#{{token}}",
        "JOIN_URL": f"{web_url}/app/join?code={{code}}",
        "UNSUBSCRIBE_URL": f"{web_url}/v1/unsubscribe/{{token}}",
        "SIGN_IN_ORIGIN": sign_in_origin,
        # the local AWS has no page to sign up with; `make token` creates people
        "SIGN_UP": "false",
    }


def chain_environment(url: str) -> dict[str, str]:
    """Return the variables that add the local chain to compute and the gateway."""
    if not url:
        return {}
    local = {"urls": [url], "chainId": CHAIN_ID, "perSecond": 10_000, "finality": 0}
    return {
        "CHAINS": json.dumps({"local": local}, separators=(",", ":")),
        "EXTRA_CHAINS": json.dumps({"local": CHAIN_ID}, separators=(",", ":")),
    }


def write_environment(path: Path, environment: Mapping[str, str]) -> None:
    """Write a file for shells, at once: a service that waits for it must not read half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text("".join(f"{k}={shlex.quote(v)}\n" for k, v in environment.items()))
    partial.replace(path)


def read_environment(path: Path) -> dict[str, str]:
    """Read a file that `write_environment` wrote."""
    words = shlex.split(path.read_text())
    return dict(word.split("=", 1) for word in words)


def wait_for(
    what: str,
    condition: Callable[[], bool],
    seconds: float = TIMEOUT_SECONDS,
    *,
    pause: float = 0.05,
) -> None:
    """Wait until a condition is true; it is asked for every `pause` seconds.

    Raises:
        TimeoutError: it was not true within `seconds`; the message names `what`.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not ready within {seconds:.0f} s")
        time.sleep(pause)


def create_or_update(formation: Any, template: Path, given: Mapping[str, str]) -> str:
    """Begin the deployment of a template of deploy/aws with those of `given` that it takes.

    Return the name of its stack, such as `vouch-data-referrals`.
    """
    text = template.read_text()
    path = template.relative_to(DATA_STACKS.parent).with_suffix("")
    name = "-".join((given["Stack"], *path.parts))
    request = {
        "StackName": name,
        "TemplateBody": text,
        "Capabilities": ["CAPABILITY_IAM"],
        "Parameters": [
            {"ParameterKey": key, "ParameterValue": value}
            for key, value in given.items()
            if f"\n  {key}:\n    Type: String\n" in text
        ],
    }
    try:
        formation.create_stack(**request)
    except formation.exceptions.AlreadyExistsException:
        try:
            formation.update_stack(**request)
        except formation.exceptions.ClientError as error:
            if "No updates" not in str(error):
                raise
    return name


def wait_until_deployed(formation: Any, stack: str) -> None:
    """Wait until a deployment has ended.

    Raises:
        NotDeployed: it failed.
    """
    found: dict[str, Any] = {}

    def settled() -> bool:
        found.update(formation.describe_stacks(StackName=stack)["Stacks"][0])
        return not found["StackStatus"].endswith("_IN_PROGRESS")

    wait_for(f"stack {stack}", settled)
    if found["StackStatus"] not in {"CREATE_COMPLETE", "UPDATE_COMPLETE"}:
        reason = found.get("StackStatusReason", "no reason")
        raise NotDeployed(f"{stack}: {found['StackStatus']}: {reason}")
