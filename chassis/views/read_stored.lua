-- Reads what a read model holds of one stream in one step: fields that belong to the position read with them.
-- Read apart, they may be newer than the position; after a failover to a replica that lags, apply.lua would
-- find that position again, and the events between them would be counted twice.
-- KEYS[1] hash with the stream's version, KEYS[2] hash with the data, KEYS[3] hash with the fingerprint of
-- the commit at that version (one slot).
-- ARGV: field of the version, field of the fingerprint, then fields of the data.
-- Returns the values in this order.
local found = {redis.call('HGET', KEYS[1], ARGV[1]), redis.call('HGET', KEYS[3], ARGV[2])}
for i = 3, #ARGV do
  found[i] = redis.call('HGET', KEYS[2], ARGV[i])
end
return found
