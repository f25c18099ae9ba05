-- Reads the summary of a stream's list and a page of its items, in one step.
-- KEYS[1] hash of the list, KEYS[2] sorted set that orders its items (one slot).
-- ARGV: field of the version, field of the summary, prefix of the fields of items,
--       '1' for the greatest scores first, score after which the page begins ('+inf', '-inf' or '(' score),
--       most items of the page.
-- Returns: version, summary, number of items in this order, then score, id and body of each item.
local ids
if ARGV[4] == '1' then
  ids = redis.call('ZREVRANGEBYSCORE', KEYS[2], ARGV[5], '-inf', 'WITHSCORES', 'LIMIT', 0, ARGV[6])
else
  ids = redis.call('ZRANGEBYSCORE', KEYS[2], ARGV[5], '+inf', 'WITHSCORES', 'LIMIT', 0, ARGV[6])
end
local head = redis.call('HMGET', KEYS[1], ARGV[1], ARGV[2])
local reply = {head[1], head[2], redis.call('ZCARD', KEYS[2])}
for i = 1, #ids, 2 do
  reply[#reply + 1] = ids[i + 1]
  reply[#reply + 1] = ids[i]
  reply[#reply + 1] = redis.call('HGET', KEYS[1], ARGV[3] .. ids[i])
end
return reply
