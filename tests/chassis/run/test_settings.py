"""Wrong settings are reported with their names and remedies, and no secret is printed."""

import logging
import os
import subprocess
import sys
from importlib import import_module
from typing import Any

import botocore.session
import pytest
from pydantic import ValidationError
from pydantic_settings import SettingsError

from chassis.run.settings import (
    EXIT_CONFIGURATION,
    ConfigurationError,
    ProcessSettings,
    read_settings,
    use_region,
)
from deploy.folders import ROOT, service_names

SECRET = "hunter2Zq8XvKEY"
PARTS = ("hunter2", "Zq8Xv", "vKEY", SECRET[:5], SECRET[-5:])
GATEWAY = {
    "COGNITO_ISSUER": "https://issuer.example",
    "COGNITO_JWKS_URL": "http://127.0.0.1:1/jwks.json",
    "COGNITO_CLIENT_IDS": "web",
    "REFERRALS_KEY": "r" * 32,
}
COMPLETE = {"AWS_REGION": "eu-west-2", "INVITES_KEY": "k" * 32, **GATEWAY}
EARLIER_KEYS = (
    SECRET,
    f"{SECRET * 3},{SECRET}",  # a key that contained a comma
    f'["{SECRET * 3}',
    f'["{SECRET * 3}", 5]',
    f'["{SECRET * 3}", "{SECRET}"]',
)
WRONG: dict[str, tuple[str, ...]] = {
    "REDIS_URL": (
        SECRET,
        f"http://:{SECRET}@cache.example:6379/0",
        f"redis://:{SECRET}/x@cache.example:6379/0",
        f"redis://:{SECRET}#x@cache.example:6379/0",
        f"redis://:12#{SECRET}@cache.example:6379/0",
        f"redis://user?{SECRET}@cache.example:6379/0",
        f"rediss://:{SECRET}@cache.example:{SECRET}/0",
        f"redis://[{SECRET}",
        f"redis://:{SECRET}@",
        f":{SECRET}@cache.example:6379",
        f"redis://:{SECRET}@cache.example:6379/first",
        f"redis://cache.example:6379/0?socket_timeout={SECRET}",
        f" rediss ://:{SECRET}@cache.example",
    ),
    "CHAINS": (
        SECRET,
        f"https://rpc.example/{SECRET}",
        f'["https://rpc.example/{SECRET}"]',
        f'{{"base": "https://rpc.example/{SECRET}"}}',
        f'{{"base": {{"urls": ["wss://rpc.example/{SECRET}"]}}}}',
        f'{{"base": {{"urls": "https://rpc.example/{SECRET}"}}}}',
        f'{{"base": {{"urls": ["https://[{SECRET}"]}}}}',
        f'{{"base": {{"url": ["https://rpc.example/{SECRET}"]}}}}',
        f'{{"base": {{"urls": ["https://rpc.example/{SECRET}"], "perSecond": "{SECRET}"}}}}',
        f'{{"https://rpc.example/{SECRET}": {{"urls": []}}}}',
        f'{{"https://rpc.example/{SECRET}": {{"urls": ["https://rpc.example"]}}}}',
        f'{{"{SECRET}{SECRET}": {{"urls": ["https://rpc.example"]}}}}',
        f'{{"mine": {{"urls": ["https://rpc.example/{SECRET}"]}}}}',
        f'{{"base": {{"urls": ["https://rpc.example/{SECRET}"]}}',
    ),
    "INVITES_KEY": (SECRET, ""),
    "REFERRALS_KEY": (SECRET, ""),
    "INVITES_EARLIER_KEYS": EARLIER_KEYS,
    "REFERRALS_EARLIER_KEYS": EARLIER_KEYS,
    "TRACES": (f"collector:{SECRET}@x", f"http://user:{SECRET} @collector:4318"),
    "MAX_WORKERS": (SECRET, "0"),
    "HEALTH_PORT": (SECRET, "65536", "-1"),
    "AWS_ENDPOINT_URL": (SECRET, f"http://[{SECRET}", f"http://:{SECRET}@", f"ftp://{SECRET}"),
    "AWS_ENDPOINT_URL_SQS": (f"sqs.example:{SECRET}",),
    "LOG_LEVEL": (SECRET,),
    "COGNITO_EXTRA_POOLS": (f'[{{"issuer": "{SECRET}"}}]', SECRET),
}
"""Variable -> wrong values, all with a secret in them."""
READ_BY = {
    "CHAINS": ("compute",),
    "INVITES_KEY": ("invites",),
    "REFERRALS_KEY": ("referrals", "gateway"),
    "INVITES_EARLIER_KEYS": ("invites",),
    "REFERRALS_EARLIER_KEYS": ("referrals", "gateway"),
    "COGNITO_EXTRA_POOLS": ("gateway",),
    "MAX_WORKERS": ("referrals", "invites", "compute"),
    "HEALTH_PORT": ("referrals", "invites", "compute"),
}
CASES = [
    pytest.param(service, name, value, id=f"{service}-{name}-{number}")
    for name, values in WRONG.items()
    for service in READ_BY.get(name, service_names())
    for number, value in enumerate(values)
]


def settings_of(service: str) -> type[ProcessSettings]:
    found: type[ProcessSettings] = import_module(f"{service}.settings").Settings
    return found


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    for name, value in COMPLETE.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


@pytest.mark.parametrize(("service", "name", "value"), CASES)
def test_a_wrong_setting_is_named_and_its_value_is_not_printed(
    service: str, name: str, value: str, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv(name, value)
    with pytest.raises(ConfigurationError) as raised:
        read_settings(settings_of(service))
    text = str(raised.value)
    assert f"{name}: " in text
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__
    assert not [part for part in PARTS if part in text], text
    read_by_botocore = name.startswith("AWS_")
    if read_by_botocore or value.startswith('{"https'):  # a key of a mapping is in pydantic's text
        return
    with pytest.raises((SettingsError, ValidationError)) as direct:
        settings_of(service)()
    assert SECRET not in str(direct.value)


@pytest.mark.parametrize("service", service_names())
def test_a_missing_setting_is_named_and_the_others_are_not_printed(
    service: str, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("REDIS_URL", f"rediss://:{SECRET}@cache.example:6379/0")
    environment.setenv("CHAINS", f'{{"base": {{"urls": ["https://rpc.example/{SECRET}"]}}}}')
    environment.setenv("LOG_LEVEL", "loud")
    for name in (*GATEWAY, "INVITES_KEY", "AWS_REGION"):
        environment.delenv(name)
    environment.setenv("AWS_CONFIG_FILE", os.devnull)
    with pytest.raises(ConfigurationError) as raised:
        read_settings(settings_of(service))
    lines = str(raised.value).splitlines()
    assert any("AWS_REGION: is missing." in line for line in lines)
    assert any("LOG_LEVEL: " in line for line in lines)
    assert not [part for part in PARTS if part in str(raised.value)]


@pytest.mark.parametrize("service", service_names())
def test_secrets_are_not_in_the_representation_of_settings(
    service: str, environment: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    environment.setenv("REDIS_URL", f"rediss://:{SECRET}@cache.example:6379/0")
    environment.setenv("CHAINS", f'{{"base": {{"urls": ["https://rpc.example/{SECRET}"]}}}}')
    environment.setenv("INVITES_KEY", SECRET * 3)
    environment.setenv("INVITES_EARLIER_KEYS", SECRET * 4)
    environment.setenv("REFERRALS_KEY", SECRET * 3)
    environment.setenv("REFERRALS_EARLIER_KEYS", SECRET * 3)
    settings: Any = read_settings(settings_of(service))
    logging.getLogger(__name__).warning("%s %r", settings, settings.model_dump())
    assert SECRET not in f"{settings} {settings!r} {settings.model_dump()} {caplog.text}"
    assert SECRET in settings.redis_url.get_secret_value()


@pytest.mark.stack
@pytest.mark.parametrize(
    ("service", "name"), [(service, "REDIS_URL") for service in service_names()]
    + [("compute", "CHAINS"), ("invites", "INVITES_KEY")]
    + [("referrals", "REFERRALS_KEY"), ("gateway", "REFERRALS_KEY")],
)  # fmt: skip
def test_a_process_with_a_wrong_setting_says_so_without_a_traceback(
    service: str, name: str
) -> None:
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": "services:libs:."} | COMPLETE
    ended = subprocess.run(  # noqa: S603
        [sys.executable, "-m", service, "run"],
        cwd=ROOT, env=environment | {name: WRONG[name][0]},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert ended.returncode == EXIT_CONFIGURATION
    assert f"{name}: " in ended.stderr
    assert "Set it to: " in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not [part for part in PARTS if part in ended.stdout + ended.stderr]


@pytest.mark.parametrize(
    "url",
    [
        "redis://127.0.0.1:6399/0",
        "rediss://user:p%40ss%2F@cache.example:6379/0",
        "redis://cache.example",
        "rediss://cache.example:6379/2?ssl_ca_certs=/etc/redis-ca.pem&socket_timeout=2.5",
        "unix:///tmp/redis.sock",
        "redis://[::1]:6379/1?protocol=3",
    ],
)
def test_urls_of_redis_are_accepted(url: str, environment: pytest.MonkeyPatch) -> None:
    environment.setenv("REDIS_URL", url)
    assert read_settings(ProcessSettings).redis_url.get_secret_value() == url


def test_aws_region_alone_is_enough(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("AWS_REGION", "eu-central-1")
    environment.setenv("AWS_CONFIG_FILE", os.devnull)
    read_settings(ProcessSettings)
    assert botocore.session.Session().get_config_variable("region") == "eu-central-1"
    environment.delenv("AWS_DEFAULT_REGION")


def test_a_default_region_that_is_set_remains() -> None:
    environment = {"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-west-2"}
    use_region(environment)
    assert environment["AWS_DEFAULT_REGION"] == "eu-west-2"
