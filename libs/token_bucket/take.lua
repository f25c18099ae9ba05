-- Debits several token buckets, all or none.
-- KEYS: one per bucket, all in one hash slot. ARGV, five per bucket:
--   tokens in a full bucket, microseconds in which it fills, cost, 1 to enforce or 0 for shadow mode,
--   digits that identify the first two.
-- A bucket is stored as `<time>.<digits>`: the time (microseconds since 1970) at which it is full
-- again, and the digits of the limit by which that time was computed. A build that reads the time
-- as a number loses the digits only.
-- If the limit has changed since, the tokens that are missing stay missing (at most all), and are
-- refilled at the new rate from now on.
-- Returns a JSON list (one string is cheaper to write and to read than a table of numbers):
--   1 if all charges were debited, else 0; then for each bucket:
--   1 if the charge fits, tokens left, milliseconds until full, milliseconds until the charge fits.
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local stored = redis.call('MGET', unpack(KEYS))
local admitted = 1
local full_at, after, fits, changed = {}, {}, {}, {}
for i = 1, #KEYS do
  local quantity, window, cost = ARGV[5 * i - 4], ARGV[5 * i - 3], ARGV[5 * i - 2]
  local full = now
  if stored[i] then
    local dot = string.find(stored[i], '.', 1, true)
    full = math.max(tonumber(string.sub(stored[i], 1, (dot or 0) - 1)), now)
    local digits = dot and string.sub(stored[i], dot + 1)
    if digits and digits ~= ARGV[5 * i] then
      local half = #digits / 2
      local then_quantity = tonumber(string.sub(digits, 1, half))
      local then_window = tonumber(string.sub(digits, half + 1)) * 1000000
      local missing = (full - now) / then_window * then_quantity
      full = now + math.min(missing / quantity, 1) * window
      changed[i] = full > now
    end
  end
  full_at[i] = full
  after[i] = full + cost * window / quantity
  fits[i] = after[i] - now <= window + 0
  if not fits[i] and ARGV[5 * i - 1] == '1' then admitted = 0 end
end
local answer = {admitted}
for i = 1, #KEYS do
  local quantity, window, cost = ARGV[5 * i - 4], ARGV[5 * i - 3], ARGV[5 * i - 2]
  local full = full_at[i]
  local debited = admitted == 1 and fits[i] and cost ~= '0'
  if debited then full = after[i] end
  if debited or changed[i] then
    -- %.0f: plain tostring would keep 14 of the 16 digits
    local alive = math.max(math.ceil((full - now) / 1000), 1)
    redis.call('SET', KEYS[i], string.format('%.0f.', full) .. ARGV[5 * i], 'PX', alive)
  end
  answer[#answer + 1] = fits[i] and 1 or 0
  answer[#answer + 1] = math.floor((window - (full - now)) * quantity / window)
  answer[#answer + 1] = math.ceil((full - now) / 1000)
  answer[#answer + 1] = fits[i] and 0 or math.ceil((after[i] - window - now) / 1000)
end
return '[' .. table.concat(answer, ',') .. ']'
