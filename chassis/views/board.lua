-- Reads a page of a board and one member's score and rank, in one step.
-- KEYS[1] sorted set, KEYS[2] hash of entries (one slot).
-- ARGV: member to look up or '', '1' to centre the page on that member, otherwise its first row, row limit.
-- Returns: size of the board, the member's score and rank (or nil), index of the page's first row, the
-- rank of that row, then member, score and entry of each row. A rank is one more than the number of
-- members whose score has a greater integer part.
local function rank(score)
  return 1 + redis.call('ZCOUNT', KEYS[1], math.floor(tonumber(score)) + 1, '+inf')
end
local own = ARGV[1] ~= '' and redis.call('ZSCORE', KEYS[1], ARGV[1]) or false
local first, most = tonumber(ARGV[3]), tonumber(ARGV[4])
if ARGV[2] == '1' and own then
  first = math.max(0, redis.call('ZREVRANK', KEYS[1], ARGV[1]) - math.floor(most / 2))
end
local rows = redis.call('ZREVRANGE', KEYS[1], first, first + most - 1, 'WITHSCORES')
local answer = {redis.call('ZCARD', KEYS[1]), own, own and rank(own), first, rows[2] and rank(rows[2]) or false}
for i = 1, #rows, 2 do
  answer[#answer + 1] = rows[i]
  answer[#answer + 1] = rows[i + 1]
  answer[#answer + 1] = redis.call('HGET', KEYS[2], rows[i])
end
return answer
