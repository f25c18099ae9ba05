-- Debits several token buckets, all or none.
-- KEYS: one per bucket, all in one hash slot. ARGV, four per bucket:
--   tokens in a full bucket, microseconds in which it fills, cost, 1 to enforce or 0 for shadow mode.
-- A bucket is stored as one number: the time (microseconds since 1970) at which it is full again.
-- Returns a JSON list (one string is cheaper to write and to read than a table of numbers):
--   1 if all charges were debited, else 0; then for each bucket:
--   1 if the charge fits, tokens left, milliseconds until full, milliseconds until the charge fits.
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local stored = redis.call('MGET', unpack(KEYS))
local admitted = 1
local full_at, after, fits = {}, {}, {}
for i = 1, #KEYS do
  local quantity, window, cost = ARGV[4 * i - 3], ARGV[4 * i - 2], ARGV[4 * i - 1]
  full_at[i] = math.max(tonumber(stored[i] or '0'), now)
  after[i] = full_at[i] + cost * window / quantity
  fits[i] = after[i] - now <= window + 0
  if not fits[i] and ARGV[4 * i] == '1' then admitted = 0 end
end
local answer = {admitted}
for i = 1, #KEYS do
  local quantity, window, cost = ARGV[4 * i - 3], ARGV[4 * i - 2], ARGV[4 * i - 1]
  local full = full_at[i]
  if admitted == 1 and fits[i] and cost ~= '0' then
    full = after[i]
    -- %.0f: plain tostring would keep 14 of the 16 digits
    local alive = math.max(math.ceil((full - now) / 1000), 1)
    redis.call('SET', KEYS[i], string.format('%.0f', full), 'PX', alive)
  end
  answer[#answer + 1] = fits[i] and 1 or 0
  answer[#answer + 1] = math.floor((window - (full - now)) * quantity / window)
  answer[#answer + 1] = math.ceil((full - now) / 1000)
  answer[#answer + 1] = fits[i] and 0 or math.ceil((after[i] - window - now) / 1000)
end
return '[' .. table.concat(answer, ',') .. ']'
