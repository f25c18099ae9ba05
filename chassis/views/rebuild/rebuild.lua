-- Every transition of a rebuild's plan. All keys carry the hash tag {service}: one slot.
-- chassis.views.generations states what the control hash means to live projection.
-- KEYS[1] control hash (generations), KEYS[2] plan hash, KEYS[3] lease of a segment (some verbs).
-- ARGV[1] verb, ARGV[2] read model, then the arguments of the verb.
-- The plan: generation, segments, switch, started, elapsed (seconds of work), total; state (running, paused, cancelled, failed, done);
-- pass (1 scans, 2 and higher sweep, 0: the generation is complete); cursor:<segment> of this pass; counts.
local control, plan = KEYS[1], KEYS[2]
local verb, name = ARGV[1], ARGV[2]
local building = redis.call('HGET', control, name .. ':building')

local function number(value)
  return value and tonumber(string.match(value, '^%d+')) or 0
end
local function version(value)
  return tonumber(string.match(value, '%.(%d+)$') or '1')
end
local function get(field)
  return redis.call('HGET', plan, field)
end

-- begin VERSION SEGMENTS NOW SWITCH TOTAL FLOOR: name a new generation, or join the one being built.
-- KEYS[3] is the highest number ever used. Its number is above that, and above FLOOR: the highest number
-- of which a key was found. FLOOR is empty as long as the caller has not looked; then 'look' is returned.
if verb == 'begin' then
  local mine = tonumber(ARGV[3])
  if building then
    if version(building) > mine then return {'newer', building} end
    if version(building) == mine and get('generation') == building and get('state') ~= 'failed' then
      return {'joined', building}
    end
  end
  if ARGV[8] == '' then return {'look', ''} end
  local serving = redis.call('HGET', control, name)
  local previous = redis.call('HGET', control, name .. ':previous')
  local top = math.max(number(serving), number(building), number(previous),
    number(redis.call('GET', KEYS[3])), number(ARGV[8]))
  redis.call('SET', KEYS[3], top + 1)
  building = string.format('%d.%d', top + 1, mine)
  redis.call('HSET', control, name .. ':building', building)
  redis.call('DEL', plan)
  redis.call('HSET', plan, 'generation', building, 'segments', ARGV[4], 'state', 'running',
    'started', ARGV[5], 'switch', ARGV[6], 'total', ARGV[7], 'pass', 1)
  return {'started', building}
end

-- the other verbs act on one generation: ARGV[3]
local generation = ARGV[3]
local alive = building == generation and get('generation') == generation

-- page GENERATION TOKEN PASS SEGMENT CURSOR SECONDS ELAPSED, then pairs of count and increment:
-- store a checkpoint and renew the lease, if the caller still holds it
if verb == 'page' then
  if not alive or redis.call('GET', KEYS[3]) ~= ARGV[4] or get('pass') ~= ARGV[5] then return 'lost' end
  redis.call('EXPIRE', KEYS[3], ARGV[8])
  redis.call('HSET', plan, 'cursor:' .. ARGV[6], ARGV[7])
  if tonumber(ARGV[9]) > tonumber(get('elapsed') or '0') then redis.call('HSET', plan, 'elapsed', ARGV[9]) end
  for i = 10, #ARGV, 2 do redis.call('HINCRBY', plan, ARGV[i], ARGV[i + 1]) end
  return get('state')
end

-- release GENERATION TOKEN: release the lease of a segment, if the caller still holds it
if verb == 'release' then
  if redis.call('GET', KEYS[3]) == ARGV[4] then redis.call('DEL', KEYS[3]) end
  return 'ok'
end

-- advance GENERATION PASS MOST: start the next pass once all segments of this one are done;
-- the generation is complete after a sweep that repaired nothing, or after MOST sweeps
if verb == 'advance' then
  if not alive or get('pass') ~= ARGV[4] then return 'lost' end
  for segment = 0, tonumber(get('segments')) - 1 do
    if get('cursor:' .. segment) ~= 'done' then return 'unfinished' end
    redis.call('HDEL', plan, 'cursor:' .. segment)
  end
  local pass = tonumber(ARGV[4])
  local complete = pass > 1 and (tonumber(get('behind') or '0') == 0 or pass > tonumber(ARGV[5]))
  redis.call('HSET', plan, 'pass', complete and 0 or pass + 1, 'behind', 0)
  return complete and 'complete' or 'again'
end

-- fail GENERATION WHY: it differs from the log; keep it for inspection and do not serve it
if verb == 'fail' then
  if alive then redis.call('HSET', plan, 'state', 'failed', 'because', ARGV[4]) end
  return 'failed'
end

-- switch GENERATION: serve it, and keep its predecessor up to date for a rollback
if verb == 'switch' then
  local serving = redis.call('HGET', control, name)
  if serving == generation then return 'switched' end
  if not alive then return 'lost' end
  if get('state') ~= 'running' then return get('state') end
  if get('pass') ~= '0' then return 'unfinished' end
  redis.call('HSET', control, name, generation)
  redis.call('HDEL', control, name .. ':building')
  if serving and version(serving) == version(generation) then
    redis.call('HSET', control, name .. ':previous', serving)
  else
    redis.call('HDEL', control, name .. ':previous')
  end
  redis.call('HSET', plan, 'state', 'done')
  return 'switched'
end

-- steer GENERATION STATE: pause, resume or cancel
if verb == 'steer' then
  if not alive then return 'lost' end
  if ARGV[4] == 'cancelled' then
    redis.call('HDEL', control, name .. ':building')
  elseif get('state') == 'failed' then
    return 'failed'
  end
  redis.call('HSET', plan, 'state', ARGV[4])
  return ARGV[4]
end

-- rollback: serve the previous generation again; both continue to be written
if verb == 'rollback' then
  local serving = redis.call('HGET', control, name)
  local previous = redis.call('HGET', control, name .. ':previous')
  if not previous then return 'none' end
  redis.call('HSET', control, name, previous, name .. ':previous', serving)
  return previous
end
