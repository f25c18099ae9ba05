-- Reads a page of a board and one member's score, rank and version, in one step.
-- KEYS[1] sorted set, KEYS[2] hash of entries, KEYS[3] hash of versions, KEYS[4] hash of fingerprints with the
-- number of changes under '' (one slot).
-- ARGV: member to look up or '', '1' to centre the page on that member, index of the page's first row
--       otherwise, most rows of the page.
-- Returns: number of changes (or nil), the member's version (or nil), size of the board, the member's score
-- and rank (or nil), index of the page's first row, the rank of that row, then member, score and entry of each row. A rank is one more than the number of
-- members whose score has a greater integer part.
local function rank(score)
  return 1 + redis.call('ZCOUNT', KEYS[1], math.floor(tonumber(score)) + 1, '+inf')
end
local member_score = ARGV[1] ~= '' and redis.call('ZSCORE', KEYS[1], ARGV[1]) or false
local first, limit = tonumber(ARGV[3]), tonumber(ARGV[4])
if ARGV[2] == '1' and member_score then
  first = math.max(0, redis.call('ZREVRANK', KEYS[1], ARGV[1]) - math.floor(limit / 2))
end
local rows = redis.call('ZREVRANGE', KEYS[1], first, first + limit - 1, 'WITHSCORES')
local reply = {
  redis.call('HGET', KEYS[4], ''),
  ARGV[1] ~= '' and redis.call('HGET', KEYS[3], ARGV[1]) or false,
  redis.call('ZCARD', KEYS[1]), member_score, member_score and rank(member_score), first, rows[2] and rank(rows[2]) or false
}
for i = 1, #rows, 2 do
  reply[#reply + 1] = rows[i]
  reply[#reply + 1] = rows[i + 1]
  reply[#reply + 1] = redis.call('HGET', KEYS[2], rows[i])
end
return reply
