-- Delete the record of an identity that has no touchpoints any more, unless it changed since it was read.
--
-- KEYS timeline `{tag}t` ‖ home; ARGV the head as it was read (or ''), the number of fields
-- Answers 1 when it is gone now. The time of an erasure stays: earlier events remain refused.

local function run(keys, args)
  local timeline = keys[1]
  local tag, home = string.sub(timeline, 1, -18), string.sub(timeline, -16)
  local record = tag .. 'n' .. home
  local kept = redis.call('HMGET', record, 'h', 'd')
  if (kept[1] or '') ~= args[1] or redis.call('HLEN', record) ~= tonumber(args[2]) then return 0 end
  if redis.call('EXISTS', timeline) == 1 then return 0 end
  redis.call('DEL', record, tag .. 'i' .. home, tag .. 'a' .. home)
  if kept[2] then redis.call('HSET', record, 'd', kept[2]) end
  return 1
end
