-- Say that a worker lives and which format it understands; learn the store's.
--
-- KEYS meta, workers; ARGV worker, format, who it is. Answers the store's format.

local function run(keys, args)
  redis.call('HSET', keys[2], args[1], string.format('%d %d ', now_ms(), tonumber(args[2])) .. args[3])
  return store_format(keys[1])
end
