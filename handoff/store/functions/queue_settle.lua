-- Settle a claimed message.
--
-- KEYS tag; ARGV ms to skip, subscription, event, token, verdict (ok, retry, dead, back), ms to the next attempt,
-- ms that the whole subscription pauses, the attempt's bytes (or ''), why, '1' when the failure is the
-- subscriber's, the reason to disable the subscription (or ''), '1' when a notice of failing is among the notices,
-- then notices for the outbox. Answers 1, or 0 when the lease had passed to another worker: only the last
-- worker that claimed a message settles it. A success also counts if the lease ran out and no other has claimed it.

local function succeed(q, now)
  local failures = tonumber(redis.call('HGET', q.state, 'f') or 0)
  redis.call('HDEL', q.state, 'f', 'F', 'g', 'b')
  redis.call('HSET', q.state, 'k', now)
  redis.call('HINCRBY', q.state, 'ok', 1)
  if failures >= TRIPS or redis.call('HGET', q.state, 'R') then hasten(q, now) end
end

local function fail(q, now, pause)
  redis.call('HINCRBY', q.state, 'f', 1)
  redis.call('HSETNX', q.state, 'F', now)
  local gate = tonumber(redis.call('HGET', q.state, 'g') or 0)
  if pause > 0 and now + pause > gate then redis.call('HSET', q.state, 'g', now + pause) end
end

local function run(keys, args)
  local now, q, event, verdict = now_ms(args[1]), queue(keys[1], args[2]), args[3], args[5]
  local key = q.message .. event
  local m = redis.call('HMGET', key, 's', 't', 'l')
  if m[2] ~= args[4] or not (m[1] == 'c' or (m[1] == 'p' and verdict == 'ok')) then return 0 end
  if args[8] ~= '' then
    redis.call('RPUSH', q.attempts .. event, args[8])
    redis.call('LTRIM', q.attempts .. event, -KEPT_ATTEMPTS, -1)
    redis.call('PEXPIRE', q.attempts .. event, KEEP_MS)
    redis.call('HINCRBY', key, 'a', 1)
  end
  redis.call('PEXPIRE', key, KEEP_MS)
  redis.call('ZREM', q.claimed, event)
  if args[10] == '1' then fail(q, now, tonumber(args[7])) end
  if verdict == 'ok' then
    finish(q, event, m[3], 'd', '', now)
    succeed(q, now)
  elseif verdict == 'dead' then
    finish(q, event, m[3], 'x', args[9], now)
    enter(q.dead, event, now)
    redis.call('HINCRBY', q.state, 'dead', 1)
  elseif verdict == 'retry' then
    redis.call('HSETNX', key, 'f', now)
    redis.call('HINCRBY', q.state, 'again', 1)
    wait(q, event, m[3], now + tonumber(args[6]), now)
  else
    wait(q, event, m[3], now, now)
  end
  if args[11] ~= '' then redis.call('HSET', q.state, 'on', 0, 'why', args[11], 'at', now) end
  if args[12] == '1' then redis.call('HSET', q.state, 'b', now) end
  for at = 13, #args do redis.call('XADD', keys[1] .. 'o', '*', 'c', args[at]) end
  index(q, now)
  return 1
end
