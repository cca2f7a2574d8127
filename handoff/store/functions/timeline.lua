-- Shared by the functions that write timelines: the head, and finding an entry by its id.
--
-- A short timeline of small entries is scanned. Any other has an index, built once, whose entries are
-- id → place less the id (16) ‖ of an edit, the id of the edit of the same before it.

local ARRIVAL_FOLLOWS = 2
local LOOKED_THROUGH = 16 -- entries
local SMALL = 1024        -- bytes of an entry
local KEPT_ARRIVALS = 256
local DIGEST = 6

-- Strings compare by the locale in Lua; places compare by their bytes.
local function precedes(one, other)
  for at = 1, #one do
    local left, right = string.byte(one, at), string.byte(other, at)
    if left ~= right then return left < right end
  end
  return false
end

local function has(flags, flag) return flags % (2 * flag) >= flag end

-- The head is in the record under 'h': last arrival (8) ‖ entries ever filed (4) ‖ the latest occurred (8) ‖
-- best assurance (1) ‖ '1' where there is an index, else '0' ‖ counts.
local function unpack_head(head)
  if not head then return 0, 0, '', '9', false, '' end
  local last, filed = struct.unpack('>I8I4', head)
  return last, filed, string.sub(head, 13, 20), string.sub(head, 21, 21), string.sub(head, 22, 22) == '1',
    string.sub(head, 23)
end

local function pack_head(arrival, filed, latest, assurance, indexed, counts)
  return arrival .. struct.pack('>I4', filed) .. latest .. assurance .. (indexed and '1' or '0') .. counts
end

local function member_at(timeline, place)
  return redis.call('ZRANGE', timeline, '[' .. place, '[' .. place .. string.rep('\255', 16), 'BYLEX', 'LIMIT', 0, 1)[1]
end

-- The entry with this id in a timeline that has no index.
local function look_through(timeline, id)
  for _, member in ipairs(redis.call('ZRANGE', timeline, 0, -1)) do
    if string.sub(member, 17, 32) == id then return member end
  end
end

-- Note a new entry, the `filed`th; whether the timeline has an index now.
local function enter(timeline, index, indexed, member, filed, wanted)
  if indexed then
    redis.call('HSET', index, string.sub(member, 17, 32), string.sub(member, 1, 16))
  elseif wanted or filed > LOOKED_THROUGH or #member > SMALL then
    local entries = {}
    for _, it in ipairs(redis.call('ZRANGE', timeline, 0, -1)) do
      entries[#entries + 1] = string.sub(it, 17, 32)
      entries[#entries + 1] = string.sub(it, 1, 16)
    end
    redis.call('HSET', index, unpack(entries))
    indexed = true
  end
  return indexed
end

-- Long timelines keep a list of what came last.
local function arrived(arrivals, filed, arrival, place)
  if filed > KEPT_ARRIVALS then
    redis.call('LPUSH', arrivals, arrival .. place)
    redis.call('LTRIM', arrivals, 0, KEPT_ARRIVALS - 1)
  end
end

-- An erased identity's record has 'd': erased at (8, µs as in places) ‖ job (16). What it had is in a grave until
-- it is deleted: the same kinds of keys, `{tag}g` kind job home. The ids of deleted touchpoints stay for a while
-- in the set `{tag}D` home, for senders that repeat an event with another time.
local function grave(tag, kind, job, home) return tag .. 'g' .. kind .. job .. home end

-- Whether an event that occurred at this time, or the touchpoint with this id, was erased with its identity.
local function was_erased(tag, home, mark, occurred, id)
  if not precedes(string.sub(mark, 1, 8), occurred) then return true end
  if not id then return false end
  if redis.call('SISMEMBER', tag .. 'D' .. home, id) == 1 then return true end
  local job = string.sub(mark, 9, 24)
  local index = grave(tag, 'i', job, home)
  if redis.call('EXISTS', index) == 1 then return redis.call('HEXISTS', index, id) == 1 end
  return look_through(grave(tag, 't', job, home), id) ~= nil
end
