-- Delete items of a source from quarantine.
--
-- KEYS tag; ARGV source, then ids. Answers how many there were.

local function run(keys, args)
  local q, gone = quarantine(keys[1], args[1]), 0
  local count, bytes = measured(q)
  for at = 2, #args do
    local freed = forget(q, args[at])
    if freed then count, bytes, gone = count - 1, bytes - freed, gone + 1 end
  end
  note(q, count, bytes)
  return gone
end
