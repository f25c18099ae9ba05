-- Applies the changes of one stream to one read model, exactly once and in order.
-- KEYS[1] hash with the stream's version, KEYS[2] hash with the data, from KEYS[3] on boards (one slot).
-- ARGV: field of the version, stream version before the changes, stream version after them,
--       then operations: '+' field value sets a field, '-' field deletes it; on the board KEYS[n]:
--       '>' n member score sets a member's score, '<' n member removes the member.
-- Returns 'applied', 'duplicate' or 'gap': Redis sends a string in one write, a table in several.
local current = tonumber(redis.call('HGET', KEYS[1], ARGV[1]) or '0')
local start, last = tonumber(ARGV[2]), tonumber(ARGV[3])
if current >= last then
  return 'duplicate'
end
-- changes folded from the first event (start 0) contain everything, so they fill any gap
if start ~= 0 and start ~= current then
  return 'gap'
end
local i = 4
while i <= #ARGV do
  if ARGV[i] == '+' then
    redis.call('HSET', KEYS[2], ARGV[i + 1], ARGV[i + 2])
    i = i + 3
  elseif ARGV[i] == '>' then
    redis.call('ZADD', KEYS[tonumber(ARGV[i + 1])], ARGV[i + 3], ARGV[i + 2])
    i = i + 4
  elseif ARGV[i] == '<' then
    redis.call('ZREM', KEYS[tonumber(ARGV[i + 1])], ARGV[i + 2])
    i = i + 3
  else
    redis.call('HDEL', KEYS[2], ARGV[i + 1])
    i = i + 2
  end
end
redis.call('HSET', KEYS[1], ARGV[1], last)
return 'applied'
