-- Replace a wrapped data key by the same key in another epoch, unless it changed meanwhile.
--
-- KEYS the hash that has it under 'k'; ARGV the old and the new wrapped key. Answers 1, or 0.

local function run(keys, args)
  if redis.call('HGET', keys[1], 'k') ~= args[1] then return 0 end
  redis.call('HSET', keys[1], 'k', args[2])
  return 1
end
