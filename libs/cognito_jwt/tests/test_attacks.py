import base64
import json
import time
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization

from cognito_jwt import InvalidToken, KeySet, Pool, Verifier, verify_jws
from cognito_jwt.testing import TokenIssuer, base64_url, without_none

ALICE = "5e1f0c2a-0000-4000-8000-00000000a11c"
ISSUER = TokenIssuer.issuer
CLIENT = TokenIssuer.client_id
SERVICE = TokenIssuer.service_client_id
SCOPE = "example/users.write"
POOL = Pool(ISSUER, frozenset({CLIENT}), frozenset({SERVICE}), SCOPE)
NOW = int(time.time())
TOMORROW = NOW + 86_400
"""It has not come before the test runs, however long the tests before it take."""


def good_claims() -> dict[str, Any]:
    return TokenIssuer().access_claims(ALICE)


def verifier(issuer: TokenIssuer) -> Verifier:
    return Verifier({ISSUER: (POOL, KeySet(issuer.fetch))})


def pem(issuer: TokenIssuer) -> bytes:
    return (
        issuer.keys[issuer.kid]
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )


def hmac_with_public_key(issuer: TokenIssuer) -> str:
    head = base64_url(json.dumps({"alg": "HS256", "kid": issuer.kid}).encode())
    signing_input = f"{head}.{base64_url(json.dumps(good_claims()).encode())}"
    algorithm = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256)
    return f"{signing_input}.{base64_url(algorithm.sign(signing_input.encode(), pem(issuer)))}"


def signed_with(algorithm: str) -> Callable[[TokenIssuer], str]:
    def make(issuer: TokenIssuer) -> str:
        head = base64_url(json.dumps({"alg": algorithm, "kid": issuer.kid}).encode())
        signing_input = f"{head}.{base64_url(json.dumps(good_claims()).encode())}"
        key = issuer.keys[issuer.kid]
        signature = jwt.get_algorithm_by_name(algorithm).sign(signing_input.encode(), key)
        return f"{signing_input}.{base64_url(signature)}"

    return make


def header(**changes: Any) -> Callable[[TokenIssuer], str]:
    """Return a valid token with another header; a parameter of None is left out."""

    def make(issuer: TokenIssuer) -> str:
        plain = {"kid": issuer.kid, "alg": "RS256"}
        return issuer.sign(good_claims(), without_none(plain | changes))

    return make


def claims(**changes: Any) -> Callable[[TokenIssuer], str]:
    return lambda issuer: issuer.access(ALICE, **changes)


def raw(change: Callable[[str], str]) -> Callable[[TokenIssuer], str]:
    """Return a token whose payload was changed as text and then truly signed."""
    return lambda issuer: issuer.sign(change(json.dumps(good_claims())).encode())


def reencoded(change: Callable[[list[str]], str]) -> Callable[[TokenIssuer], str]:
    """Return a valid token that was encoded differently after it was signed."""
    return lambda issuer: change(issuer.access(ALICE).split("."))


def spare_bits(parts: list[str]) -> str:
    """Change the last symbol of an RSA-2048 signature, of which decoders ignore four bits."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    last = alphabet[alphabet.index(parts[2][-1]) ^ 1]
    return f"{parts[0]}.{parts[1]}.{parts[2][:-1]}{last}"


def another_keys_kid(_issuer: TokenIssuer) -> str:
    stranger = TokenIssuer()
    stranger.rotate("key-1")
    return stranger.access(ALICE)


ATTACKS: dict[str, Callable[[TokenIssuer], str]] = {
    "empty": lambda _: "",
    "two parts": lambda _: "a.b",
    "four parts": reencoded(lambda parts: ".".join([*parts, "a"])),
    "five parts": lambda _: "a.b.c.d.e",
    "no signature": reencoded(lambda parts: f"{parts[0]}.{parts[1]}."),
    "alg none": header(alg="none"),
    "alg None": header(alg="None"),
    "alg NONE, unsigned": lambda i: header(alg="NONE")(i).rpartition(".")[0] + ".",
    "alg missing": header(alg=None),
    "alg list": header(alg=["RS256"]),
    "alg lower case": header(alg="rs256"),
    "HS256 with the public key": hmac_with_public_key,
    "RS512": signed_with("RS512"),
    "PS256": signed_with("PS256"),
    "kid unknown": header(kid="key-9"),
    "kid missing": header(kid=None),
    "kid number": header(kid=1),
    "kid list": header(kid=["key-1"]),
    "kid empty": header(kid=""),
    "kid traversal": header(kid="../../dev/null"),
    "kid injection": header(kid="' OR 1=1 --"),
    "kid with NUL": header(kid="key-1\0"),
    "another key's kid": another_keys_kid,
    "jku": header(jku="http://127.0.0.1/jwks.json"),
    "x5u": header(x5u="http://127.0.0.1/cert.pem"),
    "x5c": header(x5c=["MIIB"]),
    "embedded jwk": header(jwk={"kty": "oct", "k": "AA"}),
    "crit": header(crit=["exp"]),
    "crit empty": header(crit=[]),
    "b64 false": header(b64=False, crit=["b64"]),
    "zip": header(zip="DEF"),
    "nested cty": header(cty="JWT"),
    "typ JWE": header(typ="JWE"),
    "typ number": header(typ=1),
    "id for access from another client": claims(token_use="id", aud="other", client_id=None),
    "token use missing": claims(token_use=None),
    "token use refresh": claims(token_use="refresh"),
    "token use list": claims(token_use=["access"]),
    "wrong pool": claims(iss=ISSUER.replace("Test", "Other")),
    "issuer prefix": claims(iss=ISSUER[:-1]),
    "issuer suffix": claims(iss=ISSUER + "x"),
    "issuer with slash": claims(iss=ISSUER + "/"),
    "issuer list": claims(iss=[ISSUER]),
    "issuer missing": claims(iss=None),
    "client wrong": claims(client_id="other-client"),
    "client listed": claims(client_id=[CLIENT]),
    "client missing": claims(client_id=None),
    "client as audience": claims(client_id=None, aud=CLIENT),
    "audience listed": lambda i: i.id(ALICE, aud=[CLIENT]),
    "audience of a machine": lambda i: i.id(ALICE, aud=SERVICE),
    "expired": claims(exp=NOW - 1),
    "exp missing": claims(exp=None),
    "exp text": claims(exp=str(NOW + 60)),
    "exp true": claims(exp=True),
    "exp float": claims(exp=NOW + 60.5),
    "exp negative": claims(exp=-1),
    "exp list": claims(exp=[NOW + 60]),
    "exp 10^400": raw(
        lambda text: text.replace(
            f'"exp": {text.split(chr(34) + "exp" + chr(34) + ": ")[1].split(",")[0]}',
            '"exp": 1' + "0" * 400,
        )
    ),
    "exp 1e400": raw(lambda text: text.replace('"exp": ', '"exp": 1e400, "e": ')),
    "exp NaN": raw(lambda text: text.replace('"exp": ', '"exp": NaN, "e": ')),
    "exp Infinity": raw(lambda text: text.replace('"exp": ', '"exp": Infinity, "e": ')),
    "exp minus Infinity": raw(lambda text: text.replace('"exp": ', '"exp": -Infinity, "e": ')),
    "exp too many digits": raw(lambda text: text.replace('"exp": ', f'"exp": {"9" * 5000}, "e": ')),
    "nbf future": claims(nbf=TOMORROW),
    "nbf text": claims(nbf="0"),
    "iat future": claims(iat=TOMORROW),
    "iat missing": claims(iat=None),
    "iat text": claims(iat="0"),
    "auth_time text": claims(auth_time="0"),
    "auth_time future": claims(auth_time=TOMORROW),
    "auth_time outlives revocations": claims(auth_time=2**52),
    "sub missing": claims(sub=None),
    "sub number": claims(sub=7),
    "sub empty": claims(sub=""),
    "sub list": claims(sub=[ALICE]),
    "sub NUL": claims(sub="alice\0"),
    "sub line break": claims(sub="alice\nadmin"),
    "sub blank": claims(sub=" alice"),
    "sub glob": claims(sub="*"),
    "sub path": claims(sub="../alice"),
    "sub too long": claims(sub="a" * 101),
    "sub not ASCII": claims(sub="älice"),
    "sub lone surrogate": raw(lambda text: text.replace(ALICE, "\\ud800")),
    "lone surrogate elsewhere": claims(name="\ud800"),
    "sub twice": raw(lambda text: text[:-1] + f', "sub": "{ALICE}"}}'),
    "exp twice": raw(lambda text: '{"exp": 9999999999, ' + text[1:]),
    "claim twice inside": raw(lambda text: text[:-1] + ', "x": {"a": 1, "a": 2}}'),
    "groups text": claims(**{"cognito:groups": "admin"}),
    "groups numbers": claims(**{"cognito:groups": [1]}),
    "groups object": claims(**{"cognito:groups": {"admin": True}}),
    "scope list": claims(scope=["example/users.write"]),
    "jti number": claims(jti=7),
    "payload list": lambda i: i.sign(b"[]"),
    "payload text": lambda i: i.sign(b'"x"'),
    "payload null": lambda i: i.sign(b"null"),
    "payload not JSON": lambda i: i.sign(b"{"),
    "payload BOM": raw(lambda text: "\ufeff" + text),
    "payload not UTF-8": lambda i: i.sign(b'{"iss": "\xff"}'),
    "payload UTF-16": lambda i: i.sign(json.dumps(good_claims()).encode("utf-16")),
    "payload trailing": raw(lambda text: text + "{}"),
    "payload comment": raw(lambda text: text + "//"),
    "deep list": raw(lambda text: text[:-1] + ', "x": ' + "[" * 20000 + "]" * 20000 + "}"),
    "deep by one": raw(lambda text: text[:-1] + ', "x": ' + "[" * 16 + "]" * 16 + "}"),
    "deep but short": raw(lambda text: text[:-1] + ', "x": ' + "[" * 900 + "]" * 900 + "}"),
    "64 KB": claims(padding="x" * 65_536),
    "header BOM": lambda i: i.sign_parts(
        base64_url(b"\xef\xbb\xbf" + json.dumps({"kid": i.kid, "alg": "RS256"}).encode()),
        base64_url(json.dumps(good_claims()).encode()),
    ),
    "header list": lambda i: i.sign_parts(
        base64_url(b"[]"), base64_url(json.dumps(good_claims()).encode())
    ),
    "alg twice": lambda i: i.sign_parts(
        base64_url(f'{{"alg":"none","kid":"{i.kid}","alg":"RS256"}}'.encode()),
        base64_url(json.dumps(good_claims()).encode()),
    ),
    "padded": reencoded(lambda parts: ".".join([*parts[:2], parts[2] + "=="])),
    "payload padded": lambda i: i.sign_parts(
        base64_url(json.dumps({"kid": i.kid, "alg": "RS256"}).encode()),
        base64.urlsafe_b64encode(json.dumps(good_claims() | {"x": "y"}).encode()).decode() + "=",
    ),
    "plus and slash": reencoded(
        lambda parts: ".".join([*parts[:2], parts[2].replace("-", "+").replace("_", "/") + "+"])
    ),
    "line break in it": reencoded(
        lambda parts: ".".join([*parts[:2], parts[2][:9] + "\n" + parts[2][9:]])
    ),
    "trailing line break": reencoded(lambda parts: ".".join(parts) + "\n"),
    "trailing blank": reencoded(lambda parts: ".".join(parts) + " "),
    "spare bits": reencoded(spare_bits),
    "signature of zeros": reencoded(lambda parts: ".".join([*parts[:2], "A" * len(parts[2])])),
    "signature too short": reencoded(lambda parts: ".".join([*parts[:2], parts[2][:-4]])),
    "signature too long": reencoded(lambda parts: ".".join([*parts[:2], parts[2] + "AAAA"])),
    "payload swapped": reencoded(
        lambda parts: ".".join(
            [
                parts[0],
                base64_url(json.dumps(TokenIssuer().access_claims("bob")).encode()),
                parts[2],
            ]
        )
    ),
    "not ASCII": reencoded(lambda parts: ".".join(parts) + "ä"),
    "fullwidth": reencoded(lambda parts: ".".join(parts).replace("e", "\uff45")),
}


@pytest.mark.parametrize("name", ATTACKS)
async def test_an_attack_raises_invalid_token_and_nothing_else(
    name: str, issuer: TokenIssuer
) -> None:
    token = ATTACKS[name](issuer)
    with pytest.raises(InvalidToken):
        await verifier(issuer).verify(token)


async def test_valid_tokens_are_distinguished_by_kind(issuer: TokenIssuer) -> None:
    access = await verifier(issuer).verify(issuer.access(ALICE))
    assert (access.subject, access.use, access.email) == (ALICE, "access", None)
    assert (access.is_service, access.is_admin, access.is_machine) == (False, False, False)
    identity = await verifier(issuer).verify(issuer.id(ALICE))
    assert (identity.use, identity.email) == ("id", "0000a11c@example.com")
    machine = await verifier(issuer).verify(issuer.service(scope=SCOPE))
    assert machine.is_machine
    assert machine.is_service


@pytest.mark.parametrize(
    "changes",
    [
        {"permissions": [{"resource": str(number), "actions": ["read"]} for number in range(40)]},
        {"custom:settings": json.dumps([[[{"a": [number]}]] for number in range(20)])},
        {"name": "Alice [Acme] {" * 20},
        {"deep": [[[[[[[[[[[[[[[]]]]]]]]]]]]]]]},
        {"scope": ""},
        {"iat": NOW + 50, "auth_time": NOW + 50},
        {"nbf": NOW + 50},
    ],
)
async def test_an_unusual_token_of_the_pool_is_valid(
    changes: dict[str, Any], issuer: TokenIssuer
) -> None:
    for token in (issuer.access(ALICE, **changes), issuer.id(ALICE, **changes)):
        assert (await verifier(issuer).verify(token)).subject == ALICE


@pytest.mark.parametrize("claim", ["iat", "nbf"])
async def test_the_clock_of_the_issuer_may_be_ahead_by_a_minute(
    claim: str, issuer: TokenIssuer
) -> None:
    now = int(time.time())
    fixed = Verifier({ISSUER: (POOL, KeySet(issuer.fetch))}, clock=lambda: now)
    times: list[dict[str, Any]] = [{"iat": now, claim: now + ahead} for ahead in (60, 61)]
    assert (await fixed.verify(issuer.access(ALICE, **times[0]))).subject == ALICE
    with pytest.raises(InvalidToken):
        await fixed.verify(issuer.access(ALICE, **times[1]))


@pytest.mark.parametrize(
    ("changes", "is_service"),
    [
        ({"scope": "example/users.write other/scope"}, True),
        ({"scope": "example/users.writer"}, False),
        ({"scope": "example/users"}, False),
        ({"scope": None}, False),
    ],
)
async def test_the_scope_makes_a_machine_a_service(
    changes: dict[str, Any], *, is_service: bool, issuer: TokenIssuer
) -> None:
    caller = await verifier(issuer).verify(issuer.service(**changes))
    assert caller.is_service is is_service


async def test_the_scope_does_not_make_a_person_a_service(issuer: TokenIssuer) -> None:
    assert not (
        await verifier(issuer).verify(issuer.access(ALICE, scope="example/users.write"))
    ).is_service


async def test_groups_count_in_access_tokens_only(issuer: TokenIssuer) -> None:
    groups: dict[str, Any] = {"cognito:groups": ["service", "admin"]}
    access = await verifier(issuer).verify(issuer.access(ALICE, **groups))
    identity = await verifier(issuer).verify(issuer.id(ALICE, **groups))
    assert access.is_service
    assert access.is_admin
    assert (identity.is_service, identity.is_admin) == (False, False)


@pytest.mark.parametrize("verified", [False, "false", None, 1, "True"])
async def test_an_email_address_is_returned_only_if_cognito_verified_it(
    verified: object, issuer: TokenIssuer
) -> None:
    assert (await verifier(issuer).verify(issuer.id(ALICE, email_verified=verified))).email is None


def test_verify_jws_accepts_any_payload_signed_by_the_key(issuer: TokenIssuer) -> None:
    keys = {issuer.kid: issuer.keys[issuer.kid].public_key()}
    assert verify_jws(issuer.sign(b"\x00 any bytes \xff"), keys) == b"\x00 any bytes \xff"


async def test_a_second_pool_has_its_own_keys_and_clients(issuer: TokenIssuer) -> None:
    other = TokenIssuer()
    other.rotate("key-1")  # the same key id in both pools
    name = ISSUER + "Two"
    pools = {
        ISSUER: (POOL, KeySet(issuer.fetch)),
        name: (Pool(name, frozenset({"second"})), KeySet(other.fetch)),
    }
    both = Verifier(pools)
    assert (
        await both.verify(other.access(ALICE, iss=name, client_id="second"))
    ).client_id == "second"
    for forged in (
        other.access(ALICE),
        issuer.access(ALICE, iss=name),
        other.access(ALICE, iss=name),
    ):
        with pytest.raises(InvalidToken):
            await both.verify(forged)
