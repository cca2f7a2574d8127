-- Shared by the quarantine_* functions: the quarantine of one source, in its tenant's slot.
--
-- KEYS[1] is the tenant's tag, `{c.tenant}`. Which items a call touches is known only inside of it, so the other
-- keys are built here, all in that slot:
--   z:quarantine, z:quarantine:SOURCE   ids by time of arrival, in µs
--   z:quarantine_index:SOURCE           whom items may concern: entries with score 0, by bytes
--     h ‖ hint (8) ‖ arrival (16 digits) ‖ id ‖ 1 or 0   an item that names somebody; 1: perhaps others, too
--     s ‖ arrival ‖ id                                   an item that may concern anyone who uses the source
--     i ‖ id ‖ entry                                     the entries of an item
--   q id                                an item's record (its version in front)
--   q                                   by source: bytes ‖ ' ' ‖ count of its items, ‖ ' i' if all are in the index

local OVERHEAD = 400 -- bytes of an item besides its record: its key and two places in lists
local ENTRY = 250 -- bytes of an entry of the index, with its place by id

local function quarantine(tag, source)
  return {
    source = source, all = tag .. 'z:quarantine', own = tag .. 'z:quarantine:' .. source, sizes = tag .. 'q',
    record = tag .. 'q', index = tag .. 'z:quarantine_index:' .. source,
  }
end

-- The places of an item's entries: i ‖ id ‖ entry.
local function places(q, id)
  return redis.call('ZRANGE', q.index, '[i' .. id, '[i' .. id .. '\255', 'BYLEX')
end

local function entry_of(place)
  return string.sub(place, 18)
end

local function add_entry(q, id, entry)
  redis.call('ZADD', q.index, 0, entry, 0, 'i' .. id .. entry)
end

local function weight(q, id, count)
  return redis.call('STRLEN', q.record .. id) + OVERHEAD + ENTRY * count
end

-- The number of items and their bytes. Counted again after a release that does not keep the sizes changed them.
-- A release without the index drops the mark that it is complete.
local function measured(q)
  local found = redis.call('ZCARD', q.own)
  if found == 0 then redis.call('DEL', q.index) end
  local stated = redis.call('HGET', q.sizes, q.source) or ''
  local bytes, count, mark = string.match(stated, '^(%d+) (%d+)(.*)$')
  local known = tonumber(count) == found
  q.indexed = found == 0 or (known and mark == ' i')
  if known then return found, tonumber(bytes) end
  local total = 0
  for _, id in ipairs(redis.call('ZRANGE', q.own, 0, -1)) do
    total = total + weight(q, id, #places(q, id))
  end
  return found, total
end

local function note(q, count, bytes)
  if count > 0 then
    local mark, stated = q.indexed and ' i' or '', math.max(bytes, 0)
    redis.call('HSET', q.sizes, q.source, string.format('%d %d', stated, count) .. mark)
  else
    redis.call('HDEL', q.sizes, q.source)
    redis.call('DEL', q.index)
  end
end

-- Delete one item; its bytes, or nil where it is gone already.
local function forget(q, id)
  if redis.call('ZREM', q.own, id) == 0 then return nil end
  local found = places(q, id)
  local bytes = weight(q, id, #found)
  for _, place in ipairs(found) do redis.call('ZREM', q.index, place, entry_of(place)) end
  redis.call('ZREM', q.all, id)
  redis.call('DEL', q.record .. id)
  return bytes
end

-- Repair the index after a release without one added or deleted items. Items without an entry may concern anyone
-- who uses the source. Answers the bytes that were added.
local function reindex(q)
  local known, added = {}, 0
  for _, place in ipairs(redis.call('ZRANGE', q.index, '[i', '(j', 'BYLEX')) do
    local id = string.sub(place, 2, 17)
    if redis.call('ZSCORE', q.own, id) then
      known[id] = true
    else
      redis.call('ZREM', q.index, place, entry_of(place))
    end
  end
  local listed = redis.call('ZRANGE', q.own, 0, -1, 'WITHSCORES')
  for at = 1, #listed, 2 do
    if not known[listed[at]] then
      add_entry(q, listed[at], string.format('s%016d', tonumber(listed[at + 1])) .. listed[at])
      added = added + ENTRY
    end
  end
  q.indexed = true
  return added
end

-- Delete the oldest items until the limits are kept, at most `most` of them; how many.
local function trim(q, count, bytes, items, size, oldest, most)
  local gone = 0
  local listed = redis.call('ZRANGE', q.own, 0, most - 1, 'WITHSCORES')
  for at = 1, #listed, 2 do
    if count <= items and bytes <= size and tonumber(listed[at + 1]) >= oldest then break end
    bytes = bytes - (forget(q, listed[at]) or 0)
    count, gone = count - 1, gone + 1
  end
  note(q, count, bytes)
  return gone
end
