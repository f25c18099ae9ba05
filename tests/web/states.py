"""List the states of the pages that people seldom see, and how a test brings each about."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from deploy.local.chain import TOKEN
from tests.web.browser import Visitor

EXPIRES = 4_000_000_000
QUESTION = {
    "inviter": "Ann", "state": "sent", "expiresAt": EXPIRES, "referralCode": None,
    "invited": "b***@example.com",
}  # fmt: skip
CHECKSUM = "0xABABaBaBABabABabAbAbABAbABabababaBaBABaB"


@dataclass(frozen=True)
class Reply:
    """Describe a response that the gateway gives seldom."""

    status: int
    body: Mapping[str, Any] = field(default_factory=dict)
    retry_after: int = 0
    location: str = ""

    @property
    def headers(self) -> dict[str, str]:
        kind = "application/json" if self.status < 400 else "application/problem+json"
        wait = {"Retry-After": str(self.retry_after)} if self.retry_after else {}
        place = {"Location": self.location} if self.location else {}
        return {"Content-Type": kind} | wait | place


def refusal(status: int, code: str, *, retry_after: int = 0, **more: Any) -> Reply:
    body = {"status": status, "code": code, "detail": f"An example: {code}.", "request_id": "r-1"}
    return Reply(status, body | more, retry_after)


@dataclass(frozen=True)
class State:
    """Describe a state: the page, what the gateway responds, and what is then shown."""

    name: str
    path: str
    shows: str
    replies: Mapping[str, Reply] = field(default_factory=dict)
    """Pattern of an address -> the response to each request for it."""
    clicks: tuple[str, ...] = ()
    """Buttons that lead there."""
    fields: Mapping[str, str] = field(default_factory=dict)
    """Label -> what is typed before the buttons are clicked."""
    stored: Mapping[str, Any] = field(default_factory=dict)
    """Key of `sessionStorage` -> value, from an earlier page."""

    async def reach(self, visitor: Visitor) -> None:
        """Let a visitor's page show the state."""
        page = visitor.page
        for pattern, reply in self.replies.items():
            await page.route(pattern, replying(reply))
        for key, value in self.stored.items():
            await page.evaluate(f"sessionStorage.setItem({key!r}, {json.dumps(json.dumps(value))})")
        if page.url == visitor.gateway + self.path.partition("#")[0]:
            await page.goto("about:blank")  # else another fragment is the same document
        await visitor.open(self.path)
        for label, text in self.fields.items():
            await page.get_by_label(label).fill(text)
        for name in self.clicks:
            await page.get_by_role("button", name=name, exact=True).click(
                timeout=150_000  # of the analysis that may come first
            )
        await page.get_by_text(self.shows).first.wait_for()

    async def leave(self, visitor: Visitor) -> None:
        await visitor.page.unroute_all(behavior="ignoreErrors")
        for key in self.stored:
            await visitor.page.evaluate(f"sessionStorage.removeItem({key!r})")


def replying(reply: Reply) -> Any:
    async def answer(route: Any) -> None:
        await route.fulfill(
            status=reply.status, headers=reply.headers, body=json.dumps(dict(reply.body))
        )

    return answer


def link_state(code: str, status: int, shows: str) -> State:
    """Return the state of an invitation's page whose link is refused."""
    replies = {"**/v1/invites/lookup": refusal(status, code)}
    return State(f"invited: {code}", "/app/invited#token", shows, replies)


ASKED = {"**/v1/invites/lookup": Reply(200, QUESTION)}
SIGNED_OUT = (
    State("not found", "/app/nowhere", "This page does not exist."),
    State(
        "join: typing error",
        "/app/join?code=00000-00001",
        "has a typing error",
        fields={"Your e-mail address": "carol@example.com"},
        clicks=("Reserve my seat",),
    ),
    State(
        "join: limit",
        "/app/join?code=AAAAA-AAAAA",
        "An example: rate_limited.",
        replies={"**/v1/referral/valid?*": refusal(429, "rate_limited", retry_after=60)},
        fields={"Your e-mail address": "carol@example.com"},
        clicks=("Reserve my seat",),
    ),
    State(
        "join: seat reserved",
        "/app/join",
        "Your seat is reserved",
        stored={"vouch.joining": {"useId": "u", "invited": "carol@example.com"}},
    ),
    State("invited: no token", "/app/invited", "The link is incomplete."),
    State("invited: question", "/app/invited#token", "Ann invites you", replies=ASKED),
    State(
        "invited: accepted",
        "/app/invited#token",
        "A seat is reserved for you",
        clicks=("Yes, I accept",),
        replies=ASKED | {"**/v1/invites/accept": Reply(200, {"useId": "u", "invited": "b***"})},
    ),
    State(
        "invited: accepted without a seat",
        "/app/invited#token",
        "has no seat to give",
        clicks=("Yes, I accept",),
        replies=ASKED | {"**/v1/invites/accept": Reply(200, {"useId": None, "invited": "b***"})},
    ),
    State(
        "invited: declined",
        "/app/invited#token",
        "You have declined the invitation.",
        clicks=("No, thank you",),
        replies=ASKED | {"**/v1/invites/decline": Reply(204)},
    ),
    State(
        "invited: full",
        "/app/invited#token",
        "No seat is free",
        clicks=("Yes, I accept",),
        replies=ASKED | {"**/v1/invites/accept": refusal(409, "no_seat")},
    ),
    link_state("not_found", 404, "This link does not work."),
    link_state("token_replaced", 410, "There is a newer mail"),
    link_state("invite_revoked", 410, "has been withdrawn"),
    link_state("invite_expired", 410, "has expired"),
    link_state("invite_accepted", 409, "You have accepted this invitation before."),
    link_state("invite_declined", 409, "You have declined this invitation before."),
    link_state("unavailable", 503, "An example: unavailable."),
    State(
        "no sign-in pages",
        "/app/",
        "Signing in is not set up here",
        replies={"**/app/config.json": Reply(200, {"signInOrigin": "", "signUp": False})},
    ),
    State("tokens: signed out", f"/app/token/pictured/{TOKEN}", "Sign in to see the maps"),
)
"""States that people see before they sign in."""

OVERVIEW = "**/v1/me/overview"
CONFIRM = "**/v1/referral/uses/*/confirm"
JOINING = {"vouch.joining": {"useId": "u", "invited": "carol@example.com"}}
MEMBERS = (
    State(
        "home: limit",
        "/app/",
        "Please wait",
        replies={OVERVIEW: refusal(429, "rate_limited", retry_after=60)},
    ),
    State(
        "home: outage",
        "/app/",
        "Please wait",
        replies={OVERVIEW: refusal(503, "unavailable", retry_after=60)},
    ),
    State(
        "home: failure",
        "/app/",
        "If this happens again",
        replies={OVERVIEW: refusal(500, "internal")},
    ),
    State(
        "home: no account yet",
        "/app/",
        "An example: unavailable.",
        replies={
            OVERVIEW: refusal(404, "no_account"),
            "**/v1/me/events*": refusal(503, "unavailable"),  # which would bring the account
            "**/v1/me": refusal(503, "unavailable", retry_after=60),
        },
    ),
    State(
        "invite: wrong address",
        "/app/invite",
        "An example of a wrong field.",
        clicks=("Send the invitation",),
        fields={"E-mail address": "no address"},
        replies={
            "**/v1/invites": refusal(
                422,
                "invalid_request",
                errors=[{"field": "email", "detail": "An example of a wrong field."}],
            )
        },
    ),
    State("invite: many", "/app/invite", "Addresses, one per line", clicks=("Many",)),
    State(
        "board: outage",
        "/app/board",
        "An example: unavailable.",
        replies={"**/v1/leaderboard?*": refusal(503, "unavailable", retry_after=60)},
    ),
    State(
        "welcome: confirmed",
        "/app/welcome",
        "You are in: 10 points",
        stored=JOINING,
        replies={CONFIRM: Reply(200, {"state": "confirmed"})},
    ),
    State(
        "welcome: held",
        "/app/welcome",
        "The team reviews",
        stored=JOINING,
        replies={CONFIRM: Reply(200, {"state": "held"})},
    ),
    State(
        "welcome: rejected",
        "/app/welcome",
        "does not count",
        stored=JOINING,
        replies={CONFIRM: Reply(200, {"state": "rejected"})},
    ),
    State(
        "welcome: another person",
        "/app/welcome",
        "but the seat is reserved for",
        stored=JOINING,
        replies={CONFIRM: refusal(404, "not_found")},
    ),
)
"""States of members' pages."""

MAP = "**/v1/tokens/cluster/*/*/map?*"
JOB = {"job": {"id": "j", "state": "queued"}}
TOKEN_PAGES = (
    State(
        "tokens: wrong address",
        "/app/token/",
        "40 hexadecimal digits",
        fields={"Token address": "0x12"},
        clicks=("Show the map",),
    ),
    State(
        "tokens: no chain",
        "/app/token/",
        "No chain is available",
        replies={
            "**/v1/chains": Reply(
                200,
                {
                    "items": [
                        {
                            "name": "base",
                            "chainId": 1,
                            "available": False,
                            "configured": False,
                            "explorer": None,
                        }
                    ]
                },
            )
        },
    ),
    State(
        "tokens: chains unknown",
        "/app/token/",
        "An example: unavailable.",
        replies={"**/v1/chains": refusal(503, "unavailable", retry_after=60)},
    ),
    State("token: typing error", f"/app/token/pictured/{CHECKSUM}", "Did you mean"),
    State(
        "token: queued",
        f"/app/token/pictured/{TOKEN}",
        "This token is being analysed",
        replies={
            MAP: Reply(202, JOB),
            "**/v1/jobs/*/events": refusal(503, "unavailable", retry_after=60),
        },
    ),
    State(
        "token: limit",
        f"/app/token/pictured/{TOKEN}",
        "Please wait",
        replies={MAP: refusal(429, "rate_limited", retry_after=60)},
    ),
    State(
        "token: outage",
        f"/app/token/pictured/{TOKEN}",
        "Please wait",
        replies={MAP: refusal(503, "unavailable", retry_after=60)},
    ),
    State(
        "token: no contract",
        f"/app/token/pictured/{TOKEN}",
        "An example: no_contract.",
        replies={MAP: refusal(422, "no_contract")},
    ),
    State(
        "token: analysis refused",
        f"/app/token/pictured/{TOKEN}",
        "An example: too_fresh.",
        clicks=("Analyse again",),
        replies={"**/refresh": refusal(409, "too_fresh")},
    ),
)
"""States of the token page."""
