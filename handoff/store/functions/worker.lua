-- Shared by the operations on workers.
--
-- The key `{handoff:meta}w` is a hash by worker: last beat (ms of this clock) ‖ ' ' ‖ format ‖ ' ' ‖ who it is.

local function now_ms()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

local function alive(key, within)
  local now, found = now_ms(), {}
  local all = redis.call('HGETALL', key)
  for at = 1, #all, 2 do
    local seen, format = string.match(all[at + 1], '^(%d+) (%d+) ')
    if seen and now - tonumber(seen) <= within then
      found[#found + 1] = {tonumber(format), all[at + 1]}
    else
      redis.call('HDEL', key, all[at])
    end
  end
  return found
end

local function store_format(meta)
  return tonumber(redis.call('HGET', meta, 'format') or 1)
end
