-- Shared by the quarantine_* functions: the quarantine of one source, in its tenant's slot.
--
-- KEYS[1] is the tenant's tag, `{c.tenant}`. Which items a call touches is known only inside of it, so the other
-- keys are built here, all in that slot:
--   z:quarantine, z:quarantine:SOURCE   ids by time of arrival, in µs
--   q id                                an item's record (its version in front)
--   q                                   by source: bytes ‖ ' ' ‖ count of its items

local OVERHEAD = 400 -- bytes of an item besides its record: its key and two places in lists

local function quarantine(tag, source)
  return {
    source = source, all = tag .. 'z:quarantine', own = tag .. 'z:quarantine:' .. source, sizes = tag .. 'q',
    record = tag .. 'q',
  }
end

-- The number of items and their bytes. Counted again after a release that does not keep the sizes changed them.
local function measured(q)
  local found = redis.call('ZCARD', q.own)
  local bytes, count = string.match(redis.call('HGET', q.sizes, q.source) or '', '^(%d+) (%d+)$')
  if tonumber(count) == found then return found, tonumber(bytes) end
  local total = 0
  for _, id in ipairs(redis.call('ZRANGE', q.own, 0, -1)) do
    total = total + redis.call('STRLEN', q.record .. id) + OVERHEAD
  end
  return found, total
end

local function note(q, count, bytes)
  if count > 0 then
    redis.call('HSET', q.sizes, q.source, string.format('%d %d', bytes, count))
  else
    redis.call('HDEL', q.sizes, q.source)
  end
end

-- Delete one item; its bytes, or nil where it is gone already.
local function forget(q, id)
  if redis.call('ZREM', q.own, id) == 0 then return nil end
  local bytes = redis.call('STRLEN', q.record .. id) + OVERHEAD
  redis.call('ZREM', q.all, id)
  redis.call('DEL', q.record .. id)
  return bytes
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
