-- Replace a string, unless it changed meanwhile. It expires when it would have.
--
-- KEYS the string; ARGV its old and its new value. Answers 1, or 0.

local function run(keys, args)
  if redis.call('GET', keys[1]) ~= args[1] then return 0 end
  redis.call('SET', keys[1], args[2], 'KEEPTTL')
  return 1
end
