-- Give a lease back, so that another worker need not wait for it to run out.
--
-- KEYS lease; ARGV owner. Answers 1 when it was the caller's.

local function run(keys, args)
  if redis.call('HGET', keys[1], 'o') ~= args[1] then return 0 end
  redis.call('HDEL', keys[1], 'o', 'e')
  return 1
end
