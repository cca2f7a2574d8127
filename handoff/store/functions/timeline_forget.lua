-- Remove from an identity what ties it to an erased one: references to its touchpoints, and evidence.
--
-- KEYS timeline `{tag}t` ‖ home; ARGV the erased home (16), number of places, then places (32) of references,
-- then names of fields of the record
-- Answers how many entries and fields were removed. Doing it again removes nothing.

-- An identity that only the erased one named: neither touchpoints nor evidence of others are left.
local function is_orphan(record)
  for _, field in ipairs(redis.call('HKEYS', record)) do
    if field ~= 'v' and field ~= 'f' and field ~= 'd' and field ~= 'k' then return false end
  end
  return true
end

local function run(keys, args)
  local timeline, gone, places = keys[1], args[1], tonumber(args[2])
  local tag, home = string.sub(timeline, 1, -18), string.sub(timeline, -16)
  local index, record, arrivals = tag .. 'i' .. home, tag .. 'n' .. home, tag .. 'a' .. home
  local removed, references = 0, 0
  for at = 3, 2 + places do
    local member = member_at(timeline, args[at])
    if member and string.byte(member, 33) % 16 >= 8 and string.sub(member, -16) == gone then
      redis.call('ZREM', timeline, member)
      redis.call('HDEL', index, string.sub(args[at], 17))
      redis.call('LREM', arrivals, 0, string.sub(member, 37, 44) .. args[at])
      references = references + 1
    end
  end
  if references > 0 and redis.call('HINCRBY', record, 'x' .. gone, -references) <= 0 then
    redis.call('HDEL', record, 'x' .. gone)
  end
  for at = 3 + places, #args do removed = removed + redis.call('HDEL', record, args[at]) end
  if #args > 2 + places and redis.call('HLEN', record) <= 4 and is_orphan(record) then
    redis.call('HDEL', record, 'v', 'f', 'k') -- which leaves no key, unless the identity was erased itself
  end
  return removed + references
end
