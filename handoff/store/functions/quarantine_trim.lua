-- Delete the oldest items of a source beyond its limits, and complete its index.
--
-- KEYS tag; ARGV source, most items, most bytes, the earliest arrival to keep (µs), how many to delete at most.
-- Answers how many were deleted.

local function run(keys, args)
  local q = quarantine(keys[1], args[1])
  local count, bytes = measured(q)
  if not q.indexed then bytes = bytes + reindex(q) end
  return trim(q, count, bytes, tonumber(args[2]), tonumber(args[3]), tonumber(args[4]), tonumber(args[5]))
end
