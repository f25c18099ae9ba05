-- Runs read commands and returns which Redis node answered them, in one step.
-- KEYS: the keys of the commands (one slot). ARGV: for each command the number of its words, then its words.
-- Returns: run id, replication id, role, number of evicted keys, if there are any the eviction policy,
-- then the reply of each command.
local function field(info, name)
  return string.match(info, '\n' .. name .. ':([^\r\n]*)') or ''
end
local replication = redis.call('INFO', 'replication')
local evicted = field(redis.call('INFO', 'stats'), 'evicted_keys')
local reply = {
  field(redis.call('INFO', 'server'), 'run_id'),
  field(replication, 'master_replid'),
  field(replication, 'role'),
  evicted,
  evicted ~= '0' and field(redis.call('INFO', 'memory'), 'maxmemory_policy') or '',
}
local i = 1
while i <= #ARGV do
  local words = tonumber(ARGV[i])
  reply[#reply + 1] = redis.call(unpack(ARGV, i + 1, i + words))
  i = i + words + 1
end
return reply
