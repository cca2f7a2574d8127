-- Release the claims of a worker that is gone, as if its leases had run out.
--
-- KEYS tag; ARGV ms to skip, worker, its last beat. Answers how many messages go again, or -1 when the worker has
-- sent a heartbeat since. Its later settlements are refused by their token once another worker claimed the messages.

local function run(keys, args)
  local now, worker, given = now_ms(args[1]), args[2], 0
  local all = queue(keys[1], '')
  if redis.call('HGET', all.beats, worker) ~= args[3] then return -1 end
  for _, class in ipairs({all.healthy, all.failing}) do
    for _, id in ipairs(redis.call('ZRANGE', class, 0, -1)) do
      local q, before = queue(keys[1], id), given
      for _, event in ipairs(redis.call('ZRANGE', q.claimed, 0, -1)) do
        if worker_of(redis.call('HGET', q.message .. event, 't') or '') == worker then
          lapse(q, event, now)
          given = given + 1
        end
      end
      if given > before then index(q, now) end
    end
  end
  redis.call('HDEL', all.beats, worker)
  return given
end
