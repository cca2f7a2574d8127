-- File a reference to another home's touchpoint in the timeline of one of its participants.
--
-- KEYS timeline, index, identity record, last arrivals
-- ARGV place and id (32), header (4: flags, type, channel, codec), the home it points at (16)
-- Answers 1 when filed now, 0 when it was there. It has the original's place and its own arrival.

local function run(keys, args)
  local timeline, index, record, place = keys[1], keys[2], keys[3], args[1]
  local id = string.sub(place, 17)
  local kept = redis.call('HMGET', record, 'h', 'd')
  if kept[2] and not precedes(string.sub(kept[2], 1, 8), string.sub(place, 1, 8)) then return 0 end
  local last, filed, _, assurance, indexed, counts = unpack_head(kept[1])
  if indexed then
    if redis.call('HEXISTS', index, id) == 1 then return 0 end
  elseif look_through(timeline, id) then
    return 0
  end
  local time = redis.call('TIME')
  local arrival = tonumber(time[1]) * 1000000 + tonumber(time[2])
  if arrival <= last then arrival = last + 1 end
  local packed = struct.pack('>I8', arrival)
  local member = place .. args[2] .. packed .. string.rep('\0', DIGEST) .. args[3]
  redis.call('ZADD', timeline, 0, member)
  filed = filed + 1
  indexed = enter(timeline, index, indexed, member, filed, false)
  -- The timeline is in the order of occurrence, so its last entry has the latest.
  local latest = string.sub(redis.call('ZRANGE', timeline, -1, -1)[1], 1, 8)
  redis.call('HSET', record, 'h', pack_head(packed, filed, latest, assurance, indexed, counts))
  redis.call('HINCRBY', record, 'x' .. args[3], 1)
  arrived(keys[4], filed, packed, place)
  return 1
end
