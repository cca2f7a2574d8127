-- Record touchpoints, each with its index entry, evidence, counters and outbox reference.
--
-- ARGV: number of pointers, number of items, then the pointers, then the items.
-- A pointer:  KEYS record of the far identity, or a conversation
--             ARGV count, then field and value `count` times ('' stands for the store's clock)
-- An item:    KEYS timeline, index, identity record, last arrivals, outbox
--             ARGV occurred (8), order key (8, or '' for arrival), touchpoint id (16),
--                  header (4: flags, type, channel, codec), body, digest (9), counter (2),
--                  the touchpoint it amends (16, or ''), 'e' edit or 'd' deletion,
--                  the channel whose episode it resolves (or ''), assurance ('0' verified … '2'),
--                  plain identity, tenant, number of evidence, then evidence id (16) and blob each
-- Answers per item: {status, place (16), arrival}; status 0 stored, 1 duplicate, 2 id reused.
-- The outbox entry is home (16) ‖ place ‖ id ‖ flags (1) ‖ type (1) ‖ channel (1) ‖ tenant.
-- Pointers are written before anything that they point at, so that evidence is never out of reach.
-- The amendment of a touchpoint that counts stands in its index under 'a' ‖ id, as place ‖ id ‖ kind ‖ the
-- id of the edit that came last, also when it comes first; each edit's entry ends in the id of the edit
-- before it, so that a deletion finds them all and takes their content out of the timeline too.

local LATE, ARRIVAL_FOLLOWS, BLANKED, AMENDED = 1, 2, 4, 16
local KEPT_ARRIVALS = 256
local STRIDE = 14

local function has(flags, flag) return flags % (2 * flag) >= flag end

-- Strings compare by the locale in Lua; places compare by their bytes.
local function precedes(one, other)
  for at = 1, #one do
    local left, right = string.byte(one, at), string.byte(other, at)
    if left ~= right then return left < right end
  end
  return false
end

-- Rewrite the flags of a stored touchpoint, and take its content out where it is erased.
local function mark(timeline, index, id, erased)
  local known = redis.call('HGET', index, id)
  if not known then return end
  local prefix = string.sub(known, 1, 16) .. id
  local member = redis.call('ZRANGE', timeline, '[' .. prefix, '[' .. prefix .. string.rep('\255', 16), 'BYLEX', 'LIMIT', 0, 1)[1]
  if not member then return end
  local flags, rest = string.byte(member, 33), string.sub(member, 34)
  if not has(flags, AMENDED) then flags = flags + AMENDED end
  if erased and not has(flags, BLANKED) then
    rest = string.sub(member, 34, 35) .. '\0' .. (has(flags, ARRIVAL_FOLLOWS) and string.sub(member, 37, 44) or '')
    flags = flags + BLANKED
  end
  redis.call('ZREM', timeline, member)
  redis.call('ZADD', timeline, 0, prefix .. string.char(flags) .. rest)
end

-- Take the content of a touchpoint out of the timeline, and that of all its edits, which say the same.
local function erase(timeline, index, original, deletion)
  local todo, seen = {original}, {}
  while #todo > 0 do
    local id = table.remove(todo)
    if not seen[id] then
      seen[id] = true
      local newest = redis.call('HGET', index, 'a' .. id)
      local edit = newest and string.sub(newest, 34) or ''
      redis.call('HSET', index, 'a' .. id, deletion .. 'd' .. edit)
      mark(timeline, index, id, true)
      while edit ~= '' and not seen[edit] do
        todo[#todo + 1] = edit
        local entry = redis.call('HGET', index, edit)
        edit = entry and string.sub(entry, 26) or ''
      end
    end
  end
end

local function amend(timeline, index, original, id, place, kind)
  if original == id then return end
  local newest = redis.call('HGET', index, 'a' .. original)
  local best, edit = place .. kind, ''
  if newest then
    edit = string.sub(newest, 34)
    local known = string.sub(newest, 33, 33)
    -- A deletion stands above every edit; of two of a kind the later in the timeline counts.
    if (known == 'd' and kind == 'e') or (known == kind and precedes(place, string.sub(newest, 1, 32))) then
      best = string.sub(newest, 1, 33)
    end
  end
  if kind == 'e' then
    if edit ~= '' then redis.call('HSET', index, id, redis.call('HGET', index, id) .. edit) end
    edit = id
  end
  redis.call('HSET', index, 'a' .. original, best .. edit)
  if string.sub(best, 33) == 'd' then
    erase(timeline, index, kind == 'd' and original or id, string.sub(best, 1, 32))
  else
    mark(timeline, index, original, false)
  end
end

local function count(counters, key)
  for at = 1, #counters, 6 do
    if string.sub(counters, at, at + 1) == key then
      local value = struct.unpack('>I4', string.sub(counters, at + 2, at + 5))
      return string.sub(counters, 1, at + 1) .. struct.pack('>I4', value + 1) .. string.sub(counters, at + 6)
    end
  end
  return counters .. key .. struct.pack('>I4', 1)
end

local function point(keys, args, k, a, clock)
  local key, pairs_ = keys[k], tonumber(args[a])
  a = a + 1
  for _ = 1, pairs_ do
    local value = args[a + 1]
    if value == '' then value = clock end
    redis.call('HSETNX', key, args[a], value)
    a = a + 2
  end
  return a
end

local function store(keys, args, k, a, now)
  local timeline, index, record, arrivals, outbox = keys[k], keys[k + 1], keys[k + 2], keys[k + 3], keys[k + 4]
  local occurred, order, id, header, body = args[a], args[a + 1], args[a + 2], args[a + 3], args[a + 4]
  local digest, counter, amends, kind = args[a + 5], args[a + 6], args[a + 7], args[a + 8]
  local resolves, assurance = args[a + 9], args[a + 10]
  local plain, tenant, pieces = args[a + 11], args[a + 12], tonumber(args[a + 13])
  local found = redis.call('HMGET', index, id, 'a' .. id)
  local known, amended = found[1], found[2]
  if known then
    local same = string.byte(known, 17) ~= string.byte(digest, 1) or string.sub(known, 17, 25) == digest
    return {same and 1 or 2, string.sub(known, 1, 16), 0}
  end
  local before = redis.call('HMGET', record, 'l', 'c', 'q')
  local arrival = now
  if before[1] then
    local last = struct.unpack('>I8', before[1])
    if arrival <= last then arrival = last + 1 end
  end
  local packed = struct.pack('>I8', arrival)
  local flags, tail = string.byte(header, 1), ''
  if order == '' then
    order = '\128' .. string.sub(packed, 2)
  else
    flags, tail = flags + ARRIVAL_FOLLOWS, packed
  end
  local place = occurred .. order
  if redis.call('ZLEXCOUNT', timeline, '(' .. place .. id, '+') > 0 then flags = flags + LATE end
  if amended then
    flags = flags + AMENDED
    if string.sub(amended, 33, 33) == 'd' then
      flags, body, header = flags + BLANKED, '', string.sub(header, 1, 3) .. '\0'
    end
  end
  redis.call('ZADD', timeline, 0, place .. id .. string.char(flags) .. string.sub(header, 2) .. tail .. body)
  redis.call('HSET', index, id, place .. digest)
  if amends ~= '' then amend(timeline, index, amends, id, place .. id, kind) end
  local counters = count(before[2] or '', counter)
  if before[3] and before[3] < assurance then assurance = before[3] end
  if before[1] then
    redis.call('HSET', record, 'l', packed, 'c', counters, 'q', assurance)
  else
    redis.call('HSETNX', record, 'f', packed)
    redis.call('HSET', record, 'v', plain, 'l', packed, 'c', counters, 'q', assurance)
  end
  if resolves ~= '' then redis.call('HSET', record, 'r' .. id, place .. resolves) end
  for piece = 1, pieces do
    redis.call('HSETNX', record, 'e' .. args[a + STRIDE - 2 + 2 * piece], packed .. args[a + STRIDE - 1 + 2 * piece])
  end
  if redis.call('ZCARD', timeline) > KEPT_ARRIVALS then
    redis.call('LPUSH', arrivals, packed .. place .. id)
    redis.call('LTRIM', arrivals, 0, KEPT_ARRIVALS - 1)
  end
  redis.call('XADD', outbox, '*', 't', string.sub(record, -16) .. place .. id .. string.sub(header, 1, 3) .. tenant)
  return {0, place, arrival}
end

local function run(keys, args)
  local time = redis.call('TIME')
  local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
  local pointers, items = tonumber(args[1]), tonumber(args[2])
  -- Validate every item before the first write of any.
  local check = 3
  for _ = 1, pointers do check = check + 1 + 2 * tonumber(args[check]) end
  for _ = 1, items do
    if #args[check] ~= 8 or #args[check + 2] ~= 16 or #args[check + 3] ~= 4 or #args[check + 5] ~= 9
      or #args[check + 6] ~= 2 or (#args[check + 7] ~= 0 and #args[check + 7] ~= 16)
      or (#args[check + 1] ~= 0 and #args[check + 1] ~= 8) then
      return redis.error_reply('INVALID item')
    end
    check = check + STRIDE + 2 * tonumber(args[check + STRIDE - 1])
  end
  local k, a = 1, 3
  for _ = 1, pointers do
    a = point(keys, args, k, a, struct.pack('>I8', now))
    k = k + 1
  end
  local answers = {}
  for item = 1, items do
    answers[item] = store(keys, args, k, a, now + item - 1)
    k = k + 5
    a = a + STRIDE + 2 * tonumber(args[a + STRIDE - 1])
  end
  return answers
end
