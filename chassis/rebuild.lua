-- Every change to the course of a rebuild. All keys carry the tag {service}: one slot.
-- KEYS[1] control hash (generations), KEYS[2] plan hash, KEYS[3] lease of a segment (some verbs).
-- ARGV[1] verb, ARGV[2] read model, then the verb's own.
local control, plan = KEYS[1], KEYS[2]
local verb, name = ARGV[1], ARGV[2]
local building = redis.call('HGET', control, name .. ':building')

local function number(value)
  return value and tonumber(string.match(value, '^%d+')) or 0
end
local function version(value)
  return tonumber(string.match(value, '%.(%d+)$') or '1')
end

-- begin VERSION SEGMENTS NOW SWITCH: announce a new generation, or join the one being built
if verb == 'begin' then
  local mine = tonumber(ARGV[3])
  if building then
    if version(building) > mine then return {'newer', building} end
    if version(building) == mine and redis.call('HGET', plan, 'generation') == building then
      return {'joined', building}
    end
  end
  local serving = redis.call('HGET', control, name)
  local previous = redis.call('HGET', control, name .. ':previous')
  local top = math.max(number(serving), number(building), number(previous))
  building = string.format('%d.%d', top + 1, mine)
  redis.call('HSET', control, name .. ':building', building)
  redis.call('DEL', plan)
  redis.call('HSET', plan, 'generation', building, 'segments', ARGV[4], 'state', 'scanning',
    'started', ARGV[5], 'switch', ARGV[6])
  return {'begun', building}
end

-- the other verbs belong to one generation: ARGV[3]
local generation = ARGV[3]
local alive = building == generation and redis.call('HGET', plan, 'generation') == generation

-- page GENERATION TOKEN SEGMENT CURSOR COMMITS EVENTS SECONDS: a checkpoint, under a lease
if verb == 'page' then
  if not alive or redis.call('GET', KEYS[3]) ~= ARGV[4] then return 'lost' end
  redis.call('EXPIRE', KEYS[3], ARGV[9])
  redis.call('HSET', plan, 'cursor:' .. ARGV[5], ARGV[6])
  redis.call('HINCRBY', plan, 'commits', ARGV[7])
  redis.call('HINCRBY', plan, 'events', ARGV[8])
  return redis.call('HGET', plan, 'state')
end

-- release GENERATION TOKEN: give a segment back
if verb == 'release' then
  if redis.call('GET', KEYS[3]) == ARGV[4] then redis.call('DEL', KEYS[3]) end
  return 'ok'
end

-- switch GENERATION: serve it, and keep the one before it up to date for a rollback
if verb == 'switch' then
  local serving = redis.call('HGET', control, name)
  if serving == generation then return 'switched' end
  if not alive then return 'lost' end
  if redis.call('HGET', plan, 'state') ~= 'scanning' then return redis.call('HGET', plan, 'state') end
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
  redis.call('HSET', plan, 'state', ARGV[4])
  if ARGV[4] == 'cancelled' then redis.call('HDEL', control, name .. ':building') end
  return ARGV[4]
end

-- rollback: the generation before is served again; both go on being written
if verb == 'rollback' then
  local serving = redis.call('HGET', control, name)
  local previous = redis.call('HGET', control, name .. ':previous')
  if not previous then return 'none' end
  redis.call('HSET', control, name, previous, name .. ':previous', serving)
  return previous
end
