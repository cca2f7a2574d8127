-- Move a consumer's cursor, if the caller still holds the lease, and trim what everybody has read.
--
-- KEYS lease, cursor, outbox; ARGV token, cursor, the oldest entry to keep. Answers 1, or 0 when fenced off.

local function run(keys, args)
  if redis.call('HGET', keys[1], 't') ~= args[1] then return 0 end
  redis.call('SET', keys[2], args[2])
  if args[3] ~= '' then redis.call('XTRIM', keys[3], 'MINID', '~', args[3]) end
  return 1
end
