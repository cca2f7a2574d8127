-- Write a server's heartbeat, and check whether the store lost data that this server saw stored.
--
-- KEYS heartbeat; ARGV writer, expected, floor, accepted, exists. `expected` is the count of this writer's
-- last confirmed heartbeat and `floor` the least count that the store must have (0: unknown), `accepted` the
-- number of accepted losses that the writer knows of (-1: none yet), `exists` 1 when the heartbeat must exist.
-- Answers {count, accepted, why}; `why` is '' unless data was lost. It stays until an operator accepts the loss.
--
-- A writer's field goes once KEPT heartbeats of others came after its last one.

local KEPT = 256

local function lost(found, expected, floor, known, exists)
  local count, accepted, own = tonumber(found[1] or 0), tonumber(found[2] or 0), tonumber(found[4] or 0)
  if found[3] then return found[3] end
  if known >= 0 and accepted > known then return '' end
  if exists and not found[1] then return 'empty' end
  if known < 0 then return '' end
  local kept = own >= expected or (not found[4] and count >= expected + KEPT)
  if accepted >= known and count >= floor and kept then return '' end
  return count > 0 and 'older' or 'empty'
end

local function forget(key, below)
  local fields = redis.call('HGETALL', key)
  for place = 1, #fields, 2 do
    if fields[place]:sub(1, 1) == 'w' and tonumber(fields[place + 1]) <= below then
      redis.call('HDEL', key, fields[place])
    end
  end
end

local function run(keys, args)
  local key, own = keys[1], 'w' .. args[1]
  local known = tonumber(args[4])
  local found = redis.call('HMGET', key, 'n', 'accepted', 'lost', own)
  local why = lost(found, tonumber(args[2]), tonumber(args[3]), known, args[5] == '1')
  local count, accepted = tonumber(found[1] or 0) + 1, tonumber(found[2] or 0)
  redis.call('HSET', key, 'n', count, own, count)
  if why ~= '' and not found[3] then
    accepted = math.max(accepted, known)
    redis.call('HSET', key, 'lost', why, 'accepted', accepted)
  end
  if redis.call('HLEN', key) > KEPT + 8 then forget(key, count - KEPT) end
  return {count, accepted, why}
end
