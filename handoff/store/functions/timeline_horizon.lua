-- Raise the horizons of a partition: nothing that occurred before them is stored any more. They never fall.
--
-- KEYS `{tag}H`; ARGV field and blob each. A blob has 8 bytes, packed as in places, for each code of a type.
-- Answers how many fields changed.

local function run(keys, args)
  local changed = 0
  for at = 1, #args, 2 do
    local before, wanted = redis.call('HGET', keys[1], args[at]) or '', args[at + 1]
    local parts = {}
    for from = 1, math.max(#before, #wanted), 8 do
      local old, new = string.sub(before, from, from + 7), string.sub(wanted, from, from + 7)
      parts[#parts + 1] = (old == '' or (new ~= '' and precedes(old, new))) and new or old
    end
    local after = table.concat(parts)
    if after ~= before then
      redis.call('HSET', keys[1], args[at], after)
      changed = changed + 1
    end
  end
  return changed
end
