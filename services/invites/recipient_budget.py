"""Limit the mails that one person gets from all inviters together, counted in Redis."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from chassis.views.scripts import LuaScript
from invites.rules import DAY, RULES, InviteRules

_COUNT: Final = LuaScript(
    """
local now, since = tonumber(ARGV[1]), '(' .. (tonumber(ARGV[1]) - tonumber(ARGV[3]))
return {redis.call('ZCOUNT', KEYS[1], since, '+inf'),
        redis.call('ZCOUNT', KEYS[1], '(' .. (now - tonumber(ARGV[4])), '+inf'),
        redis.call('ZSCORE', KEYS[1], ARGV[2]) and 1 or 0}
"""
)
"""Return how many mails are counted lately, how many in all, and whether one of them is this."""
_TAKE: Final = LuaScript(
    """
local now, id = tonumber(ARGV[1]), ARGV[2]
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - tonumber(ARGV[5]))
if redis.call('ZSCORE', KEYS[1], id) then return 1 end
local lately = redis.call('ZCOUNT', KEYS[1], '(' .. (now - tonumber(ARGV[3])), '+inf')
if lately >= tonumber(ARGV[4]) then return 0 end
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[6]) then return 0 end
redis.call('ZADD', KEYS[1], now, id)
redis.call('EXPIRE', KEYS[1], ARGV[5])
return 1
"""
)


@dataclass(frozen=True, slots=True)
class RecipientBudget:
    """Count the mails of all inviters to each address.

    A mail counts, whatever becomes of its invitation. If Redis loses the counts, they start from
    zero: the budget bounds a nuisance, not a right.
    """

    redis: Any
    rules: InviteRules = RULES

    async def take(self, address_keys: Sequence[str], mail: str, now: float) -> bool:
        """Count a mail and return True, unless the budget of its recipient is used up.

        Args:
            address_keys: Keyed digests of the address. The mail is counted under the first one;
                mails that were counted under the others, of earlier keys, use up the budget too.
            mail: Id of the mail; one that was counted before is not counted again.
            now: UNIX seconds.
        """
        current, *earlier = map(_budget, address_keys)
        rules, span = self.rules, self.rules.mail_days * DAY
        lately = total = 0
        for key in earlier:
            counted = await _COUNT.run(self.redis, [key], (now, mail, DAY, span))
            if counted[2]:
                return True
            lately, total = lately + counted[0], total + counted[1]
        left = (rules.mails_per_day - lately, span, rules.mails - total)
        return bool(await _TAKE.run(self.redis, [current], (now, mail, DAY, *left)))


def _budget(address_key: str) -> str:
    return f"invites:mails-to:{address_key}"
