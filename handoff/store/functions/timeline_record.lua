-- Record touchpoints, each with its index entry, evidence, counters and outbox reference.
--
-- ARGV: number of pointers, number of items, then the pointers, then the items.
-- A pointer:  KEYS record of the far identity, or a conversation
--             ARGV occurred (8) of the event, or '' where no event is the reason, count, then field and value
--             `count` times ('' means the store's clock)
-- An item:    KEYS timeline `{tag}t` ‖ home; the other keys of the home are in the same slot
--             ARGV occurred (8) ‖ touchpoint id (16) ‖ header (4: flags, type, channel, codec) ‖ digest (6) ‖
--                  'e' edit, 'd' deletion or 't' derived text ‖ assurance ('0' verified … '2') [‖ order key (8), else arrival]
--                  [‖ id of the touchpoint it amends (16)], then body, plain identity, tenant,
--                  the channel whose episode it resolves (or ''), number of evidence,
--                  then evidence id (16) and blob each
-- Answers per item: {status, place (16), arrival}; status 0 stored, 1 duplicate, 2 id reused, 3 erased,
-- 4 expired: it occurred before the horizon of its type and channel. A horizon is at least a day old, so that
-- younger items are not compared with any. 6 a derived text of an original that has MOST_DERIVED. 5 sealed with a key that is not the home's: nothing is stored, and
-- the home's key, or '', is in the place.
-- A sealed plain identity is 1 (a byte) ‖ '=' a key that must be the home's, '+' one to set where there is none ‖
-- the key (64) ‖ the sealed value.
-- The outbox entry is home (16) ‖ place ‖ id ‖ flags (1) ‖ type (1) ‖ channel (1) ‖ tenant.
-- QUIET and ANNOUNCES are for readers of the outbox: the entry has them, the timeline does not.
-- Pointers are written before anything that they point at, so that evidence is never out of reach.
-- The amendment of a touchpoint that counts is in its index under 'a' ‖ id, as place ‖ id ‖ kind ‖ the id of
-- the newest edit, even if it arrives before the touchpoint. Each edit's entry ends in the id of the edit before
-- it, so that a deletion finds them all and removes their content from the timeline too.
-- The texts derived from a touchpoint, or from the call in a conversation, are in the index under 't' ‖ id, as
-- place ‖ id each. A deletion removes their content too, also of those that arrive after it.

local LATE, BLANKED, AMENDED, QUIET = 1, 4, 16, 64
local STRIDE = 6
local SEALED, KEY = 1, 64
local DAY = 86400000000
local FIXED = 36
local MOST_DERIVED = 10000
local FEW = 16 -- fields of a pointer

-- Rewrite the flags of a stored touchpoint, and take its content out where it is erased.
local function mark(timeline, index, id, erased)
  local known = redis.call('HGET', index, id)
  if not known then return end
  local prefix = string.sub(known, 1, 16) .. id
  local member = member_at(timeline, prefix)
  if not member then return end
  local flags, rest = string.byte(member, 33), string.sub(member, 34)
  if not has(flags, AMENDED) then flags = flags + AMENDED end
  if erased and not has(flags, BLANKED) then
    rest = string.sub(member, 34, 35) .. '\0' .. string.sub(member, 37, (has(flags, ARRIVAL_FOLLOWS) and 44 or 36) + DIGEST)
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
      local derived = redis.call('HGET', index, 't' .. id) or ''
      for at = 1, #derived, 32 do mark(timeline, index, string.sub(derived, at + 16, at + 31), true) end
      while edit ~= '' and not seen[edit] do
        todo[#todo + 1] = edit
        local entry = redis.call('HGET', index, edit)
        edit = entry and string.sub(entry, 17) or ''
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
    -- A deletion overrides every edit; of two of a kind the later in the timeline counts.
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

local function derive(timeline, index, original, id, place)
  if original == id then return end
  redis.call('HSET', index, 't' .. original, (redis.call('HGET', index, 't' .. original) or '') .. place)
  local amendment = redis.call('HGET', index, 'a' .. original)
  if amendment and string.sub(amendment, 33, 33) == 'd' then mark(timeline, index, id, true) end
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

-- The mark and the fields of a pointer are read at once: mostly all are there, and nothing is written.
local function point_at_few(key, args, occurred, first, last, clock)
  local names = {'d'}
  for at = first, last, 2 do names[#names + 1] = args[at] end
  local present = redis.call('HMGET', key, unpack(names))
  if present[1] and not precedes(string.sub(present[1], 1, 8), occurred) then return end
  local missing = {}
  for n = 2, #names do
    if not present[n] then
      local value = args[first + 2 * n - 3]
      missing[#missing + 1] = names[n]
      missing[#missing + 1] = value == '' and clock or value
    end
  end
  if #missing > 0 then redis.call('HSET', key, unpack(missing)) end
end

local function point(keys, args, k, a, clock)
  local key, occurred, pairs_ = keys[k], args[a], tonumber(args[a + 1])
  a = a + 2
  local after = a + 2 * pairs_
  if occurred ~= '' then
    if pairs_ <= FEW then
      point_at_few(key, args, occurred, a, after - 2, clock)
      return after
    end
    local mark = redis.call('HGET', key, 'd')
    if mark and not precedes(string.sub(mark, 1, 8), occurred) then return after end
  end
  for at = a, after - 2, 2 do
    local value = args[at + 1]
    if value == '' then value = clock end
    redis.call('HSETNX', key, args[at], value)
  end
  return after
end

-- Whether an entry has the content of a digest; a digest of another version counts as equal.
local function matches(member, digest)
  local at = has(string.byte(member, 33), ARRIVAL_FOLLOWS) and 45 or 37
  return string.byte(member, at) ~= string.byte(digest) or string.sub(member, at, at + DIGEST - 1) == digest
end

-- Whether an item occurred before the horizon of its type and channel. `day`: a day before this call;
-- `known`: the horizons that this call has looked up.
local function is_expired(tag, occurred, codes, tenant, day, known)
  if not precedes(occurred, day) then return false end
  local field = string.sub(codes, 2) .. tenant
  local horizons = known[tag .. field]
  if horizons == nil then
    horizons = redis.call('HGET', tag .. 'H', field)
    known[tag .. field] = horizons
  end
  if not horizons then return false end
  local at = 8 * string.byte(codes)
  local horizon = string.sub(horizons, at + 1, at + 8)
  return horizon ~= '' and precedes(occurred, horizon)
end

local function store(keys, args, k, a, now, day, horizons)
  local timeline, fixed, body = keys[k], args[a], args[a + 1]
  local tag, home = string.sub(timeline, 1, -18), string.sub(timeline, -16)
  local index, record = tag .. 'i' .. home, tag .. 'n' .. home
  local occurred, id, header = string.sub(fixed, 1, 8), string.sub(fixed, 9, 24), string.sub(fixed, 25, 28)
  local digest, kind, assurance = string.sub(fixed, 29, 34), string.sub(fixed, 35, 35), string.sub(fixed, 36, 36)
  local resolves, pieces = args[a + 4], tonumber(args[a + 5])
  local plain, key = args[a + 2], nil -- the key: one that has to be set
  local sealed = string.byte(plain) == SEALED
  local kept = sealed and redis.call('HMGET', record, 'h', 'd', 'k') or redis.call('HMGET', record, 'h', 'd')
  if kept[2] and was_erased(tag, home, kept[2], occurred, id) then return {3, string.sub(fixed, 1, 16), 0} end
  if is_expired(tag, occurred, string.sub(header, 2, 3), args[a + 3], day, horizons) then
    return {4, string.sub(fixed, 1, 16), 0}
  end
  local last, filed, latest, best, indexed, counters = unpack_head(kept[1])
  local known, amended
  if sealed then
    local standing = kept[3] or ''
    local given = string.sub(plain, 3, 2 + KEY)
    if standing ~= given then
      if standing ~= '' or string.sub(plain, 2, 2) == '=' then return {5, standing, 0} end
      key = given
    end
    plain = string.sub(plain, 3 + KEY)
  end
  if indexed then
    local found = redis.call('HMGET', index, id, 'a' .. id)
    known, amended = found[1] and member_at(timeline, string.sub(found[1], 1, 16) .. id), found[2]
  elseif filed > 0 then
    known = look_through(timeline, id)
  end
  if known then return {matches(known, digest) and 1 or 2, string.sub(known, 1, 16), 0} end
  if kind == 't' and #(redis.call('HGET', index, 't' .. string.sub(fixed, -16)) or '') >= 32 * MOST_DERIVED then
    return {6, string.sub(fixed, 1, 16), 0}
  end
  local arrival = now > last and now or last + 1
  local packed = struct.pack('>I8', arrival)
  local flags, tail, order = string.byte(header, 1) % QUIET, '', nil -- ANNOUNCES is the only flag above QUIET
  if #fixed % 16 == FIXED % 16 then
    order = '\128' .. string.sub(packed, 2)
  else
    order = string.sub(fixed, FIXED + 1, FIXED + 8)
    flags, tail = flags + ARRIVAL_FOLLOWS, packed
  end
  local place = occurred .. order
  if latest == '' or precedes(latest, occurred) then
    latest = occurred
  elseif redis.call('ZLEXCOUNT', timeline, '(' .. place .. id, '+') > 0 then
    flags = flags + LATE
  end
  if amended then
    flags = flags + AMENDED
    if string.sub(amended, 33, 33) == 'd' then
      flags, body, header = flags + BLANKED, '', string.sub(header, 1, 3) .. '\0'
    end
  end
  if best < assurance then assurance = best end
  local member = place .. id .. string.char(flags) .. string.sub(header, 2) .. tail .. digest .. body
  local amends = #fixed >= FIXED + 16
  redis.call('ZADD', timeline, 0, member)
  filed = filed + 1
  indexed = enter(timeline, index, indexed, member, filed, amends)
  local head = pack_head(packed, filed, latest, assurance, indexed, count(counters, string.sub(header, 2, 3)))
  if filed > 1 then
    redis.call('HSET', record, 'h', head)
  else
    redis.call('HSETNX', record, 'f', packed)
    redis.call('HSET', record, 'v', plain, 'h', head)
  end
  if key then redis.call('HSET', record, 'k', key, 'v', plain) end
  if amends and kind == 't' then
    derive(timeline, index, string.sub(fixed, -16), id, place .. id)
  elseif amends then
    amend(timeline, index, string.sub(fixed, -16), id, place .. id, kind)
  end
  if resolves ~= '' then redis.call('HSET', record, 'r' .. id, place .. resolves) end
  for at = a + STRIDE, a + STRIDE + 2 * pieces - 2, 2 do
    redis.call('HSETNX', record, 'e' .. args[at], packed .. args[at + 1])
  end
  arrived(tag .. 'a' .. home, filed, packed, place .. id)
  redis.call('XADD', tag .. 'o', '*', 't', home .. place .. id .. string.sub(header, 1, 3) .. args[a + 3])
  return {0, place, arrival}
end

local function run(keys, args)
  local time = redis.call('TIME')
  local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
  local pointers, items = tonumber(args[1]), tonumber(args[2])
  -- Validate every item before the first write of any.
  local check = 3
  for _ = 1, pointers do check = check + 2 + 2 * tonumber(args[check + 1]) end
  for _ = 1, items do
    local rest = #args[check] - FIXED
    if rest ~= 0 and rest ~= 8 and rest ~= 16 and rest ~= 24 then return redis.error_reply('INVALID item') end
    check = check + STRIDE + 2 * tonumber(args[check + STRIDE - 1])
  end
  local k, a = 1, 3
  for _ = 1, pointers do
    a = point(keys, args, k, a, struct.pack('>I8', now))
    k = k + 1
  end
  local answers, horizons, day = {}, {}, '\128' .. string.sub(struct.pack('>I8', now - DAY), 2)
  for item = 1, items do
    answers[item] = store(keys, args, k, a, now + item - 1, day, horizons)
    k = k + 1
    a = a + STRIDE + 2 * tonumber(args[a + STRIDE - 1])
  end
  return answers
end
