-- Removes a field of a hash if it still has the value that was read.
-- KEYS[1] hash. ARGV: field, value.
if redis.call('HGET', KEYS[1], ARGV[1]) == ARGV[2] then redis.call('HDEL', KEYS[1], ARGV[1]) end
