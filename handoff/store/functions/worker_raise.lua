-- Raise the store's format, unless a worker that lives does not understand it.
--
-- KEYS meta, workers; ARGV the wanted format, ms after which a silent worker counts as gone, '1' to raise it all
-- the same, '1' to change nothing. Answers {the store's format now, the workers that are too old}.

local function run(keys, args)
  local wanted, current, old = tonumber(args[1]), store_format(keys[1]), {}
  for _, worker in ipairs(alive(keys[2], tonumber(args[2]))) do
    if worker[1] < wanted then old[#old + 1] = worker[2] end
  end
  if current < wanted and args[4] ~= '1' and (#old == 0 or args[3] == '1') then
    redis.call('HSET', keys[1], 'format', wanted)
    current = wanted
  end
  return {current, old}
end
