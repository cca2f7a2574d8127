-- Keep items in quarantine, and delete the oldest ones of the source beyond its limits.
--
-- KEYS tag; ARGV source, most items, most bytes, the earliest arrival to keep (µs), then id, arrival, and record of
-- each item. Answers how many old ones were deleted. Doing it again adds nothing.

local function run(keys, args)
  local q = quarantine(keys[1], args[1])
  local count, bytes = measured(q)
  for at = 5, #args, 3 do
    if redis.call('ZADD', q.own, args[at + 1], args[at]) == 1 then
      redis.call('ZADD', q.all, args[at + 1], args[at])
      redis.call('SET', q.record .. args[at], args[at + 2])
      count, bytes = count + 1, bytes + #args[at + 2] + OVERHEAD
    end
  end
  return trim(q, count, bytes, tonumber(args[2]), tonumber(args[3]), tonumber(args[4]), 200 + 2 * (#args - 4) / 3)
end
