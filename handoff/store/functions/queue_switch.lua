-- Switch a subscription's queue on or off, or set its pace.
--
-- KEYS tag; ARGV ms to skip, subscription, what (on, off, pace), why (off) or ms between messages (pace).
-- Waiting messages stay while it is off, and are due immediately when it is switched on again.

local function run(keys, args)
  local now, q, what = now_ms(args[1]), queue(keys[1], args[2]), args[3]
  if what == 'off' then
    redis.call('HSET', q.state, 'on', 0, 'why', args[4], 'at', now)
  elseif what == 'on' then
    redis.call('HSET', q.state, 'on', 1)
    redis.call('HDEL', q.state, 'why', 'at', 'f', 'F', 'g', 'b')
    hasten(q, now)
  else
    redis.call('HSET', q.state, 'i', args[4])
  end
  index(q, now)
  return 1
end
