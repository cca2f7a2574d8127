-- Replace the body of a touchpoint, for it named an erased identity. Place, header and digest stay.
--
-- KEYS timeline `{tag}t` ‖ home; ARGV the entry as it was read, codec (1), body
-- Answers 1, or 0 where the entry changed meanwhile: read it again.

local function run(keys, args)
  local before = args[1]
  if redis.call('ZREM', keys[1], before) == 0 then return 0 end
  local body_at = (has(string.byte(before, 33), ARRIVAL_FOLLOWS) and 44 or 36) + DIGEST
  local head = string.sub(before, 1, 35) .. args[2] .. string.sub(before, 37, body_at)
  redis.call('ZADD', keys[1], 0, head .. args[3])
  return 1
end
