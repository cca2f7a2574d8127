-- File a reference to somebody else's touchpoint in the timeline of one of its participants.
--
-- KEYS timeline, index, identity record, last arrivals
-- ARGV place and id (32), header (4: flags, type, channel, codec), the home it points at (16)
-- Answers 1 when filed now, 0 when it was there. It stands at the original's place; its arrival is its own.

local KEPT_ARRIVALS = 256

local function run(keys, args)
  local timeline, index, record, arrivals = keys[1], keys[2], keys[3], keys[4]
  local place, id = string.sub(args[1], 1, 16), string.sub(args[1], 17)
  if redis.call('HEXISTS', index, id) == 1 then return 0 end
  local time = redis.call('TIME')
  local arrival = tonumber(time[1]) * 1000000 + tonumber(time[2])
  local head = redis.call('HGET', index, 'h') or string.rep('\0', 20) .. '9'
  local last, filed = struct.unpack('>I8I4', head)
  if arrival <= last then arrival = last + 1 end
  local packed = struct.pack('>I8', arrival)
  redis.call('ZADD', timeline, 0, args[1] .. args[2] .. packed .. args[3])
  -- As in record.lua; the latest occurred is told from the timeline itself, which is in its order.
  local newest = redis.call('ZRANGE', timeline, -1, -1)[1]
  redis.call('HSET', index, id, place .. string.rep('\0', 9),
    'h', packed .. struct.pack('>I4', filed + 1) .. string.sub(newest, 1, 8) .. string.sub(head, 21))
  redis.call('HINCRBY', record, 'x' .. args[3], 1)
  if filed >= KEPT_ARRIVALS then
    redis.call('LPUSH', arrivals, packed .. args[1])
    redis.call('LTRIM', arrivals, 0, KEPT_ARRIVALS - 1)
  end
  return 1
end
