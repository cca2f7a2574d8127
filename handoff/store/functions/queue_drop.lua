-- Drop a subscription's queue with all its messages. It only deletes, so that it also runs in a full store.
--
-- KEYS tag; ARGV ms to skip, subscription.

local function run(keys, args)
  local q = queue(keys[1], args[2])
  for _, event in ipairs(redis.call('ZRANGE', q.pending, 0, -1)) do
    local line = redis.call('HGET', q.message .. event, 'l')
    if line and line ~= '' then redis.call('DEL', q.line .. line) end
    redis.call('DEL', q.message .. event, q.attempts .. event)
  end
  redis.call('DEL', q.state, q.due, q.claimed, q.pending, q.log, q.dead)
  redis.call('ZREM', q.healthy, q.id)
  redis.call('ZREM', q.failing, q.id)
  return 1
end
