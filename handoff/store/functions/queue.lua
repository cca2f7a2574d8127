-- Shared by the queue_* functions: the messages of one webhook subscription, in its tenant's slot.
--
-- KEYS[1] is the tenant's tag, `{c.tenant}`. Which messages a call touches is known only inside of it,
-- so the other keys are built here, all in that slot:
--   w id         the subscription's record (written by `commit`)
--   d e event    an event's bytes; d E events by the time they were kept, in µs, each at its own
--   d H          workers that hold leases: a number by worker, which living workers keep changing
--   d T          the highest time that a queue of the tenant was changed at, in ms, to within TICK_MS
--   d w, d W     subscriptions by when something of theirs is due: healthy, and failing
--   d s id       state: on, why, at; f failures in a row, F since when, g not before, i pace in ms and j
--                not before by it, k when it last succeeded, R recovering, b last notice; totals ok,
--                again, dead, over
--   d q id       due messages: of each line only those that may go, by time in ms
--   d c id       claimed messages by the end of their lease
--   d p id       messages not settled, by birth; d h id all, d x id dead ones, in µs, each at its own
--   d l id line  a line's unsettled messages, by their order
--   d m id event one message: s state (p pending, c claimed, d delivered, x dead, r superseded), y type,
--                l line, o order, e deadline, b birth, n next attempt, a attempts, f first failure,
--                i when n was set (absent in messages of earlier releases),
--                t token of the worker that claimed it last (worker, dot, number), z lapsed leases,
--                u what it supersedes (16 bytes each), w why, or by what
--   d a id event its attempts

local KEEP_MS = 30 * 86400 * 1000  -- events and messages can be looked at and replayed this long
local HOLD_MS = 60 * 1000          -- a failing message holds its successors this long
local LEASE_MS = 30 * 1000         -- longer than any attempt may take
local TRIPS = 5                    -- failures in a row that open the circuit breaker
local CONCURRENCY = 4              -- messages on their way to a subscriber that answers
local SLOW_MS = 2 * 1000           -- one that has not answered for so long gets no second one meanwhile
local KEPT_ATTEMPTS = 50
local TICK_MS = 1000               -- how exactly the tenant's highest time is kept: it costs one write per tick

local function now_ms(skip)
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000) + tonumber(skip)
end

local function queue(tag, id)
  local d = tag .. 'd'
  return {
    id = id, tag = tag, record = tag .. 'w' .. id, healthy = d .. 'w', failing = d .. 'W', beats = d .. 'H', events = d .. 'E',
    event = d .. 'e', state = d .. 's' .. id, due = d .. 'q' .. id, claimed = d .. 'c' .. id,
    pending = d .. 'p' .. id, log = d .. 'h' .. id, dead = d .. 'x' .. id, line = d .. 'l' .. id,
    message = d .. 'm' .. id, attempts = d .. 'a' .. id, clock = d .. 'T',
  }
end

-- Add a member at a time of its own (µs), so that a page can end at any of them; old ones go.
local function enter(key, member, now)
  local last = redis.call('ZRANGE', key, -1, -1, 'WITHSCORES')[2]
  redis.call('ZADD', key, math.max(now * 1000, last and tonumber(last) + 1 or 0), member)
  redis.call('ZREMRANGEBYSCORE', key, '-inf', (now - KEEP_MS) * 1000)
end

-- How many of its messages may be on their way at once, for the state's fields f and k.
local function concurrency(q, failures, succeeded, now)
  if tonumber(failures or 0) > 0 or not succeeded then return 1 end
  local oldest = redis.call('ZRANGE', q.claimed, 0, 0, 'WITHSCORES')[2]
  return oldest and tonumber(oldest) - LEASE_MS <= now - SLOW_MS and 1 or CONCURRENCY
end

-- When the subscription has something to do next, in the index of its class.
local function index(q, now)
  local highest = redis.call('GET', q.clock)
  if not highest or now >= tonumber(highest) + TICK_MS then redis.call('SET', q.clock, string.format('%.0f', now)) end
  local state = redis.call('HMGET', q.state, 'on', 'f', 'g', 'k', 'j')
  redis.call('ZREM', q.healthy, q.id)
  redis.call('ZREM', q.failing, q.id)
  if state[1] == '0' or redis.call('EXISTS', q.record) == 0 then return end
  local doubtful = tonumber(state[2] or 0) > 0
  local first = redis.call('ZRANGE', q.due, 0, 0, 'WITHSCORES')
  local lease = redis.call('ZRANGE', q.claimed, 0, 0, 'WITHSCORES')
  local at = nil
  if first[2] and redis.call('ZCARD', q.claimed) < concurrency(q, state[2], state[4], now) then
    at = math.max(tonumber(first[2]), tonumber(state[3] or 0), tonumber(state[5] or 0))
  end
  if lease[2] and (not at or tonumber(lease[2]) < at) then at = tonumber(lease[2]) end
  if at then redis.call('ZADD', doubtful and q.failing or q.healthy, at, q.id) end
end

-- When a message goes next. A time that was set later than now was set before the clock went back: it keeps its
-- distance from the time it was set at.
local function next_attempt(q, event, now)
  local key = q.message .. event
  local found = redis.call('HMGET', key, 'n', 'i', 'b', 'f')
  local at, set = tonumber(found[1]), tonumber(found[2] or found[3])
  if found[4] and tonumber(found[4]) > now then redis.call('HSET', key, 'f', now) end
  if set <= now then return at end
  at = now + math.max(at - set, 0)
  redis.call('HSET', key, 'n', at, 'i', now)
  return at
end

-- Which messages of a line may go, and when: its head; when that has failed for HOLD_MS, the newest.
local function arrange(q, line, now)
  local members = redis.call('ZRANGE', q.line .. line, 0, -1)
  local underway = false
  for _, event in ipairs(members) do
    redis.call('ZREM', q.due, event)
    underway = underway or redis.call('HGET', q.message .. event, 's') == 'c'
  end
  if #members == 0 or underway then return end
  local head, newest = members[1], members[#members]
  local due = next_attempt(q, head, now)
  local found = redis.call('HMGET', q.message .. head, 'e', 'f')
  due = math.min(due, tonumber(found[1]))
  local release = found[2] and tonumber(found[2]) + HOLD_MS
  if head == newest or not release or due < release then redis.call('ZADD', q.due, due, head) end
  if head ~= newest and release then
    local own = next_attempt(q, newest, now)
    local deadline = tonumber(redis.call('HGET', q.message .. newest, 'e'))
    redis.call('ZADD', q.due, math.min(math.max(release, own), deadline), newest)
  end
end

-- Let a message wait for its time.
local function wait(q, event, line, at, now)
  redis.call('HSET', q.message .. event, 's', 'p', 'n', at, 'i', now)
  if line ~= '' then return arrange(q, line, now) end
  redis.call('ZADD', q.due, math.min(at, tonumber(redis.call('HGET', q.message .. event, 'e'))), event)
end

-- The worker that a token is of.
local function worker_of(token)
  return string.match(token, '^[^.]*')
end

-- End the lease of a message: it may go again, soon unless it has outlived several workers.
local function lapse(q, event, now)
  redis.call('ZREM', q.claimed, event)
  local found = redis.call('HMGET', q.message .. event, 's', 'l')
  if found[1] ~= 'c' then return end
  local lapses = redis.call('HINCRBY', q.message .. event, 'z', 1)
  wait(q, event, found[2], now + (lapses > 2 and 60000 or 0), now)
end

-- Take a message out of everything that waits.
local function finish(q, event, line, state, why, now)
  redis.call('HSET', q.message .. event, 's', state, 'w', why)
  redis.call('ZREM', q.due, event)
  redis.call('ZREM', q.claimed, event)
  redis.call('ZREM', q.pending, event)
  if line ~= '' then
    redis.call('ZREM', q.line .. line, event)
    arrange(q, line, now)
  end
end

-- Send the messages that wait for a late attempt now; very many of them in parts, one at each success.
local function hasten(q, now)
  local waiting = redis.call('ZRANGEBYSCORE', q.due, '(' .. now, '+inf', 'LIMIT', 0, 500)
  for _, event in ipairs(waiting) do
    redis.call('HSET', q.message .. event, 'n', now, 'i', now)
    redis.call('ZADD', q.due, now, event)
  end
  if #waiting < 500 then redis.call('HDEL', q.state, 'R') else redis.call('HSET', q.state, 'R', 1) end
end
