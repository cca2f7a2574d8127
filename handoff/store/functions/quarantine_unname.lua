-- Forget that items name someone. An item that names nobody else may then concern anyone who uses the source.
--
-- KEYS tag; ARGV source, then hints. Answers how many entries there were.

local function run(keys, args)
  local q, gone = quarantine(keys[1], args[1]), 0
  for at = 2, #args do
    local head = 'h' .. args[at]
    for _, entry in ipairs(redis.call('ZRANGE', q.index, '[' .. head, '(' .. head .. ':', 'BYLEX')) do
      local id = string.sub(entry, 26, 41)
      redis.call('ZREM', q.index, entry, 'i' .. id .. entry)
      if #places(q, id) == 0 then add_entry(q, id, 's' .. string.sub(entry, 10, 41)) end
      gone = gone + 1
    end
  end
  return gone
end
