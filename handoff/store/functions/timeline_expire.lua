-- Delete touchpoints whose time is over, with what the index, the counts, and the amendments have of them, and
-- with the texts that were derived from them.
--
-- KEYS timeline `{tag}t` ‖ home; ARGV place (32) of each [‖ id of what it amends or was derived from (16)]
-- Answers how many were deleted, and how many entries are left. Doing it again deletes nothing.
-- Entries of the last arrivals may outlive their touchpoints: readers pass over them, and the list is short.

local REFERENCE = 8

local function uncount(counters, key)
  for at = 1, #counters, 6 do
    if string.sub(counters, at, at + 1) == key then
      local value = struct.unpack('>I4', string.sub(counters, at + 2, at + 5)) - 1
      local packed = value > 0 and key .. struct.pack('>I4', value) or ''
      return string.sub(counters, 1, at - 1) .. packed .. string.sub(counters, at + 6)
    end
  end
  return counters
end

-- The entry of an id in the index, if the timeline still has it.
local function kept(timeline, index, id)
  local entry = redis.call('HGET', index, id)
  return entry and member_at(timeline, string.sub(entry, 1, 16) .. id) and entry, entry
end

-- Take deleted edits out of the chain of a touchpoint's edits; forget the chain once nothing needs it.
local function relink(timeline, index, original)
  local newest = redis.call('HGET', index, 'a' .. original)
  if not newest then return end
  local best, kind, edit = string.sub(newest, 1, 32), string.sub(newest, 33, 33), string.sub(newest, 34)
  local chain, seen = {}, {}
  while edit ~= '' and not seen[edit] do
    seen[edit] = true
    local alive, entry = kept(timeline, index, edit)
    if alive then chain[#chain + 1] = {edit, string.sub(alive, 1, 16)} end
    edit = entry and string.sub(entry, 17) or ''
  end
  local best_kept = member_at(timeline, best)
  if #chain == 0 and not best_kept and (kind == 'e' or not kept(timeline, index, original)) then
    redis.call('HDEL', index, 'a' .. original)
    return
  end
  if kind == 'e' and not best_kept then
    best = chain[1][2] .. chain[1][1]
    for at = 2, #chain do
      local place = chain[at][2] .. chain[at][1]
      if precedes(best, place) then best = place end
    end
  end
  for at, link in ipairs(chain) do
    redis.call('HSET', index, link[1], link[2] .. (chain[at + 1] and chain[at + 1][1] or ''))
  end
  redis.call('HSET', index, 'a' .. original, best .. kind .. (chain[1] and chain[1][1] or ''))
end

local function remove(timeline, record, counters, place)
  local member = member_at(timeline, place)
  if not member then return false, counters end
  redis.call('ZREM', timeline, member)
  if has(string.byte(member, 33), REFERENCE) then
    local field = 'x' .. string.sub(member, -16)
    if redis.call('HINCRBY', record, field, -1) <= 0 then redis.call('HDEL', record, field) end
  else
    counters = uncount(counters, string.sub(member, 34, 35))
  end
  return member, counters
end

-- The places of the texts derived from a touchpoint.
local function derived_of(index, id)
  local listed, places = redis.call('HGET', index, 't' .. id) or '', {}
  for at = 1, #listed, 32 do places[#places + 1] = string.sub(listed, at, at + 31) end
  return places
end

-- Take deleted texts out of the list of those that were derived from the same.
local function unlist(timeline, index, original)
  local left = {}
  for _, place in ipairs(derived_of(index, original)) do
    if member_at(timeline, place) then left[#left + 1] = place end
  end
  if #left > 0 then
    redis.call('HSET', index, 't' .. original, table.concat(left))
  else
    redis.call('HDEL', index, 't' .. original)
  end
end

local function run(keys, args)
  local timeline = keys[1]
  local tag, home = string.sub(timeline, 1, -18), string.sub(timeline, -16)
  local index, record = tag .. 'i' .. home, tag .. 'n' .. home
  local kept_by = redis.call('HMGET', record, 'h', 'l') -- the head, and a legal hold
  local head = kept_by[1]
  if not head or kept_by[2] then return {0, redis.call('ZCARD', timeline)} end
  local _, filed, latest, assurance, indexed, counters = unpack_head(head)
  local gone, amended, removed = {}, {}, 0
  for _, arg in ipairs(args) do
    local member
    member, counters = remove(timeline, record, counters, string.sub(arg, 1, 32))
    if member then
      removed = removed + 1
      gone[#gone + 1] = string.sub(arg, 17, 32)
      if has(string.byte(member, 33), 16) then amended[string.sub(arg, 17, 32)] = true end
      if #arg > 32 then amended[string.sub(arg, 33)] = true end
    end
  end
  for at = 1, indexed and #gone or 0 do
    for _, place in ipairs(derived_of(index, gone[at])) do
      local member
      member, counters = remove(timeline, record, counters, place)
      if member then
        removed = removed + 1
        gone[#gone + 1] = string.sub(place, 17, 32)
      end
      amended[gone[at]] = true
    end
  end
  local left = redis.call('ZCARD', timeline)
  if removed == 0 then return {0, left} end
  filed = math.max(filed - removed, left)
  if left == 0 then
    redis.call('DEL', index)
    indexed, assurance, counters, filed = false, '9', '', 0
  elseif indexed then
    for original in pairs(amended) do
      relink(timeline, index, original)
      unlist(timeline, index, original)
    end
    for at = 1, #gone, 1000 do
      redis.call('HDEL', index, unpack(gone, at, math.min(at + 999, #gone)))
    end
  end
  if filed <= KEPT_ARRIVALS then redis.call('DEL', tag .. 'a' .. home) end
  redis.call('HSET', record, 'h', pack_head(string.sub(head, 1, 8), filed, latest, assurance, indexed, counters))
  return {removed, left}
end
