-- Stores the outcome of a command unless one is stored, and publishes the stored one.
-- The first outcome stays: its sender may have received it, and a redelivery may be decided differently.
-- KEYS[1] outcome. ARGV: outcome as JSON, seconds to keep it, channel.
-- Returns the stored outcome.
local stored = ARGV[1]
if not redis.call('SET', KEYS[1], ARGV[1], 'NX', 'EX', ARGV[2]) then
  stored = redis.call('GET', KEYS[1])
end
redis.call('PUBLISH', ARGV[3], stored)
return stored
