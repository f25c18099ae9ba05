"""Limit the mails that one person gets from all inviters together, counted in Redis."""

from dataclasses import dataclass
from typing import Any, Final

from chassis.views.scripts import LuaScript
from invites.rules import DAY, RULES, InviteRules

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

    async def take(self, address_key: str, mail: str, now: float) -> bool:
        """Count a mail and return True, unless the budget of its recipient is used up.

        Args:
            address_key: Keyed digest of the address.
            mail: Id of the mail; one that was counted before is not counted again.
            now: UNIX seconds.
        """
        rules = self.rules
        arguments = (now, mail, DAY, rules.mails_per_day, rules.mail_days * DAY, rules.mails)
        return bool(await _TAKE.run(self.redis, [f"invites:mails-to:{address_key}"], arguments))
