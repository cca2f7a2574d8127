-- Take messages whose time has come, each on a lease that a dead worker's run out of.
--
-- KEYS tag; ARGV ms to skip, token, how many at most, how many of them to subscribers that fail, the worker's beat.
-- Answers {now, ms when to ask again or -1, messages}; a message is {subscription, event, type, attempts,
-- first failure, deadline, born, what it supersedes, event's bytes, failures in a row, failing since, last notice}.
-- A newest message that goes before older ones of its line supersedes them.

local function supersede(q, event, line, now)
  local taken = redis.call('HGET', q.message .. event, 'u') or ''
  for _, older in ipairs(redis.call('ZRANGE', q.line .. line, 0, -1)) do
    if older == event then break end
    taken = taken .. (redis.call('HGET', q.message .. older, 'u') or '') .. older
    redis.call('HSET', q.message .. older, 's', 'r', 'w', event)
    redis.call('ZREM', q.due, older)
    redis.call('ZREM', q.pending, older)
    redis.call('ZREM', q.line .. line, older)
    redis.call('HINCRBY', q.state, 'over', 1)
  end
  redis.call('HSET', q.message .. event, 'u', taken)
end

local function take(q, event, token, now, state)
  local key = q.message .. event
  local found = redis.call('HMGET', key, 's', 'l', 'e')
  if found[1] ~= 'p' then
    redis.call('ZREM', q.due, event)
    return nil
  end
  redis.call('HSET', key, 's', 'c', 't', token)
  redis.call('ZREM', q.due, event)
  redis.call('ZADD', q.claimed, now + LEASE_MS, event)
  if found[2] ~= '' then
    if now < tonumber(found[3]) then supersede(q, event, found[2], now) end
    arrange(q, found[2], now)
  end
  local m = redis.call('HMGET', key, 'y', 'a', 'f', 'e', 'b', 'u')
  local bytes = redis.call('GET', q.event .. event)
  return {
    q.id, event, m[1], tonumber(m[2]), tonumber(m[3] or 0), tonumber(m[4]), tonumber(m[5]), m[6] or '', bytes or '',
    tonumber(state[2] or 0), tonumber(state[5] or 0), tonumber(state[6] or 0),
  }
end

local function serve(q, token, now, most, taken)
  for _, event in ipairs(redis.call('ZRANGEBYSCORE', q.claimed, '-inf', now)) do lapse(q, event, now) end
  local state = redis.call('HMGET', q.state, 'g', 'f', 'k', 'i', 'F', 'b', 'j')
  local count = 0
  local from = math.max(tonumber(state[1] or 0), tonumber(state[7] or 0))
  if redis.call('EXISTS', q.record) == 1 and from <= now then
    local limit = concurrency(q, state[2], state[3], now)
    local pace = tonumber(state[4] or 0)
    local free = math.min(limit - redis.call('ZCARD', q.claimed), most, pace > 0 and 1 or most)
    if free > 0 then
      for _, event in ipairs(redis.call('ZRANGEBYSCORE', q.due, '-inf', now, 'LIMIT', 0, free)) do
        local message = redis.call('ZSCORE', q.due, event) and take(q, event, token, now, state)
        if message then
          taken[#taken + 1] = message
          count = count + 1
        end
      end
      if count > 0 and pace > 0 then redis.call('HSET', q.state, 'j', now + pace) end
    end
  end
  index(q, now)
  return count
end

-- Bring a subscription's times to a clock that went back: messages keep their distances, leases last no longer than
-- one taken now, and pauses end, since one probe too many does no harm.
local function follow_clock(q, now)
  for _, event in ipairs(redis.call('ZRANGEBYSCORE', q.due, '(' .. now, '+inf')) do
    local found = redis.call('HMGET', q.message .. event, 's', 'l', 'e')
    if found[1] ~= 'p' then
      redis.call('ZREM', q.due, event)
    elseif found[2] ~= '' then
      arrange(q, found[2], now)
    else
      redis.call('ZADD', q.due, math.min(next_attempt(q, event, now), tonumber(found[3])), event)
    end
  end
  for _, event in ipairs(redis.call('ZRANGEBYSCORE', q.claimed, '(' .. (now + LEASE_MS), '+inf')) do
    redis.call('ZADD', q.claimed, now + LEASE_MS, event)
  end
  for _, name in ipairs({'g', 'j', 'F', 'k', 'b'}) do
    local at = redis.call('HGET', q.state, name)
    if at and tonumber(at) > now then redis.call('HSET', q.state, name, now) end
  end
  index(q, now)
end

-- Whether the clock went back since the tenant's queues were changed; then all of them follow it.
local function check_clock(all, now)
  local highest = redis.call('GET', all.clock)
  if not highest or tonumber(highest) <= now + TICK_MS then return end
  redis.call('SET', all.clock, string.format('%.0f', now))
  for _, class in ipairs({all.healthy, all.failing}) do
    for _, id in ipairs(redis.call('ZRANGE', class, 0, -1)) do
      follow_clock(queue(all.tag, id), now)
    end
  end
end

local function run(keys, args)
  local now, token = now_ms(args[1]), args[2]
  local most, most_failing = tonumber(args[3]), tonumber(args[4])
  local all = queue(keys[1], '')
  local taken, ask = {}, -1
  check_clock(all, now)
  for _, class in ipairs({{all.healthy, most}, {all.failing, most_failing}}) do
    local budget = class[2]
    if budget > 0 then
      for _, id in ipairs(redis.call('ZRANGEBYSCORE', class[1], '-inf', now, 'LIMIT', 0, budget)) do
        if budget <= 0 then break end
        budget = budget - serve(queue(keys[1], id), token, now, budget, taken)
      end
    end
    local first = redis.call('ZRANGE', class[1], 0, 0, 'WITHSCORES')
    if first[2] and budget > 0 and (ask < 0 or tonumber(first[2]) < ask) then ask = tonumber(first[2]) end
  end
  if #taken > 0 then redis.call('HSET', all.beats, worker_of(token), args[5]) end
  return {now, ask, taken}
end
