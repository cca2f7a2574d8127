-- Switch a subscription's queue on or off, set its pace, or drop all of it.
--
-- KEYS tag; ARGV ms to skip, subscription, what (on, off, pace, drop), why (off) or ms between messages (pace).
-- Waiting messages stay while it is off, and are due immediately when it is switched on again.

local function run(keys, args)
  local now, q, what = now_ms(args[1]), queue(keys[1], args[2]), args[3]
  if what == 'off' then
    redis.call('HSET', q.state, 'on', 0, 'why', args[4], 'at', now)
  elseif what == 'on' then
    redis.call('HSET', q.state, 'on', 1)
    redis.call('HDEL', q.state, 'why', 'at', 'f', 'F', 'g', 'b')
    hasten(q, now)
  elseif what == 'pace' then
    redis.call('HSET', q.state, 'i', args[4])
  else
    for _, event in ipairs(redis.call('ZRANGE', q.pending, 0, -1)) do
      local line = redis.call('HGET', q.message .. event, 'l')
      if line and line ~= '' then redis.call('DEL', q.line .. line) end
      redis.call('DEL', q.message .. event, q.attempts .. event)
    end
    redis.call('DEL', q.state, q.due, q.claimed, q.pending, q.log, q.dead)
  end
  index(q, now)
  return 1
end
