-- Take or renew the lease on one consumer's cursor of one outbox.
--
-- KEYS lease, cursor; ARGV owner, milliseconds. Answers {token, cursor} to the holder, else {0, ms left}.
-- The token grows with every new holder; `advance` moves the cursor for the newest token only. A lease that
-- ends later than one taken now was taken before the clock was set back: its holder may be long gone.

local function run(keys, args)
  local time = redis.call('TIME')
  local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
  local held = redis.call('HMGET', keys[1], 'o', 't', 'e')
  local token, ends = tonumber(held[2] or 0), now + tonumber(args[2])
  if held[1] ~= args[1] then
    local left = held[1] and tonumber(held[3]) - now or 0
    if left > 0 and left <= ends - now then return {0, left} end
    token = token + 1
  end
  redis.call('HSET', keys[1], 'o', args[1], 't', token, 'e', ends)
  return {token, redis.call('GET', keys[2]) or '0-0'}
end
