"""Fold the events of a member a second time, without the code under test."""

from collections.abc import Callable, Sequence
from typing import Any

Event = dict[str, Any]
FREED = {"ReferralRejected", "ReferralReleased", "ReferralExpired", "ReferralReversed"}
POINTS = {
    "ReferralConfirmed": 100,
    "ReferralReversed": -100,
    "ReferredCredited": 10,
    "CreditWithdrawn": -10,
}


def account(events: Sequence[Event]) -> dict[str, Any] | None:
    """Return the account as GET /v1/me shows it; None if it was never opened."""
    opened = [event["d"] for event in events if event["t"] == "AccountOpened"]
    if not opened:
        return None
    codes, referrals, total = list[str](), dict[str, dict[str, Any]](), opened[0]["totalReferrals"]
    for event in events:
        payload = event["d"]
        match event["t"]:
            case "CodeIssued":
                codes.append(shown(payload))
            case "CodeRevoked":
                codes = [code for code in codes if code.replace("-", "") != payload["code"]]
            case "QuotaGranted":
                total = payload["totalReferrals"]
            case "ReferralReserved":
                referrals.pop(payload["useId"], None)
                referrals[payload["useId"]] = {
                    "invitedUser": masked(payload["invitedUser"]),
                    "timestamp": payload["reservedAt"],
                    "confirmed": False,
                    "useId": payload["useId"],
                }
            case "ReferralConfirmed" if payload["useId"] in referrals:
                referral = referrals[payload["useId"]]
                referral |= {"confirmed": True, "timestamp": payload["confirmedAt"]}
            case kind if kind in FREED:
                referrals.pop(payload["useId"], None)
            case _:
                pass
    used = sum(referral["confirmed"] for referral in referrals.values())
    return {
        "user": opened[0]["email"],
        "referralCode": codes[0] if codes else None,
        "referrals": list(referrals.values()),
        "totalReferrals": total,
        "referralsUsed": used,
        "referralsPending": len(referrals) - used,
        "referralsRemaining": total - len(referrals),
        "referralIsValid": bool(codes) and total > len(referrals),
        "codes": codes,
    }


def points(events: Sequence[Event]) -> int:
    return sum(POINTS.get(event["t"], 0) * (not event["d"].get("team", False)) for event in events)


def codes(events: Sequence[Event]) -> dict[str, int]:
    """Return each code as it is shown -> seats that are reserved or taken with it."""
    uses = {e["d"]["code"]: 0 for e in events if e["t"] == "CodeIssued"}
    names = {e["d"]["code"]: shown(e["d"]) for e in events if e["t"] == "CodeIssued"}
    for code in open_seats(events).values():
        uses[code] += 1
    return {names[code]: number for code, number in uses.items()}


def open_seats(
    events: Sequence[Event], check: Callable[[int, int, Event], None] = lambda *_: None
) -> dict[str, str]:
    """Return use id -> code of each seat that is reserved or taken.

    `check` is called before each reservation with the open seats, the quota, and the event.
    """
    seats, total = dict[str, str](), 0
    for event in events:
        payload = event["d"]
        match event["t"]:
            case "AccountOpened" | "QuotaGranted" | "CampaignOpened":
                total = payload["totalReferrals"]
            case "ReferralReserved":
                check(len(seats), total, event)
                assert payload["useId"] not in seats, f"reserved twice: {payload}"
                seats[payload["useId"]] = payload["code"]
            case kind if kind in FREED:
                seats.pop(payload["useId"], None)
            case _:
                pass
    return seats


def shown(payload: dict[str, Any]) -> str:
    code = str(payload["code"])
    return str(payload.get("shown") or f"{code[:5]}-{code[5:]}")


def masked(address: str) -> str:
    local, _, domain = address.rpartition("@")
    name, _, top = domain.rpartition(".")
    return f"{local[0]}***@{name[0]}***.{top}"
