-- Keep an event and queue a message of it for each subscription; doing it again adds nothing.
--
-- KEYS tag; ARGV ms to skip, event id (16), its bytes, its type, line (or ''), order, deadline in ms,
-- '1' to send again what was settled, then subscription ids (16). Answers how many were queued.

local function put(q, event, args, now)
  if redis.call('EXISTS', q.record) == 0 or redis.call('HGET', q.state, 'on') == '0' then return 0 end
  local key, line = q.message .. event, args[5]
  local state = redis.call('HGET', key, 's')
  if state and (args[8] ~= '1' or state == 'c') then return 0 end
  if state then redis.call('DEL', key) end
  redis.call('HSET', key, 's', 'p', 'y', args[4], 'l', line, 'o', args[6], 'e', args[7], 'b', now, 'n', now, 'a', 0)
  redis.call('PEXPIRE', key, KEEP_MS)
  redis.call('ZADD', q.pending, now, event)
  redis.call('ZREM', q.dead, event)
  enter(q.log, event, now)
  if line ~= '' then redis.call('ZADD', q.line .. line, args[6], event) end
  wait(q, event, line, now, now)
  index(q, now)
  return 1
end

local function run(keys, args)
  local now, event, queued = now_ms(args[1]), args[2], 0
  local first = queue(keys[1], '')
  if redis.call('SET', first.event .. event, args[3], 'NX') then enter(first.events, event, now) end
  redis.call('PEXPIRE', first.event .. event, KEEP_MS)
  for at = 9, #args do queued = queued + put(queue(keys[1], args[at]), event, args, now) end
  return queued
end
