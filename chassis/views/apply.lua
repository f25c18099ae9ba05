-- Applies the changes of one stream to one read model, exactly once and in order.
-- KEYS[1] hash with the stream's version, KEYS[2] hash with the data, KEYS[3] hash with the fingerprint of
-- the commit at that version, from KEYS[4] on sorted sets (one slot). Only a read model that all streams share
-- has a separate hash of data; its changes are counted under '' next to the fingerprints.
-- ARGV: field of the version, field of the fingerprint, mode, stream version before the last change,
--       fingerprint of the commit there ('' if unknown), stream version after the changes, fingerprint of
--       the commit there, then operations:
--       '+' field value sets a field, '-' field deletes it; on the sorted set KEYS[n]:
--       '>' n member score sets a member's score, '<' n member removes the member.
-- Mode 'first': folded from the first event, so that it may follow any version of the same history.
-- 'next': continues the version before. 'replace': the log holds another history than the stored one, whose
-- version and fingerprint were found to be those before the changes.
-- Returns 'applied', 'duplicate', 'gap', 'ahead' (the stored version is greater) or 'other' (another commit
-- is stored at this version): Redis sends a string in one write, a table in several.
local current = tonumber(redis.call('HGET', KEYS[1], ARGV[1]) or '0')
local stored = redis.call('HGET', KEYS[3], ARGV[2]) or ''
local mode, start, last = ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[6])
-- older builds write the version alone: a fingerprint of another version says nothing
if string.sub(stored, 1, #tostring(current) + 1) ~= current .. '.' then
  stored = ''
end
local function differs(expected)
  return stored ~= '' and expected ~= '' and stored ~= expected
end
if mode == 'replace' then
  if current ~= start or stored ~= ARGV[5] then
    return 'gap'
  end
elseif current > last then
  return 'ahead'
elseif current == last then
  return differs(ARGV[7]) and 'other' or 'duplicate'
elseif current == start then
  if differs(ARGV[5]) then
    return 'other'
  end
elseif mode == 'next' or stored ~= '' then  -- the writer compares what is stored with the history
  return 'gap'
end
local i = 8
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
if last == 0 then
  redis.call('HDEL', KEYS[1], ARGV[1])
  redis.call('HDEL', KEYS[3], ARGV[2])
else
  redis.call('HSET', KEYS[1], ARGV[1], last)
  redis.call('HSET', KEYS[3], ARGV[2], ARGV[7])
end
if KEYS[1] ~= KEYS[2] then
  redis.call('HINCRBY', KEYS[3], '', 1)
end
return 'applied'
