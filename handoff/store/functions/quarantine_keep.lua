-- Keep items in quarantine, and delete the oldest ones of the source beyond its limits.
--
-- KEYS tag; ARGV source, most items, most bytes, the earliest arrival to keep (µs), then of each item: id, arrival,
-- record, the number of its entries in the index, and these. Answers how many old ones were deleted. Doing it again
-- adds nothing.

local function run(keys, args)
  local q = quarantine(keys[1], args[1])
  local count, bytes = measured(q)
  local at, items = 5, 0
  while at <= #args do
    local id, entries = args[at], tonumber(args[at + 3])
    if redis.call('ZADD', q.own, args[at + 1], id) == 1 then
      redis.call('ZADD', q.all, args[at + 1], id)
      redis.call('SET', q.record .. id, args[at + 2])
      for place = at + 4, at + 3 + entries do add_entry(q, id, args[place]) end
      count, bytes = count + 1, bytes + weight(q, id, entries)
    end
    at, items = at + 4 + entries, items + 1
  end
  return trim(q, count, bytes, tonumber(args[2]), tonumber(args[3]), tonumber(args[4]), 200 + 2 * items)
end
