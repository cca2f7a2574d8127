-- Return the claims of a living worker that it does not work on: an error of the store cut them short.
--
-- KEYS tag; ARGV ms to skip, worker, then the messages in its hands, each as subscription ‖ event. Answers how many
-- messages go again. Unlike a lapsed lease this does not count against a message: no worker died of it.

local function run(keys, args)
  local now, worker, returned, held = now_ms(args[1]), args[2], 0, {}
  for at = 3, #args do held[args[at]] = true end
  local all = queue(keys[1], '')
  for _, class in ipairs({all.healthy, all.failing}) do
    for _, id in ipairs(redis.call('ZRANGE', class, 0, -1)) do
      local q, before = queue(keys[1], id), returned
      for _, event in ipairs(redis.call('ZRANGE', q.claimed, 0, -1)) do
        local found = redis.call('HMGET', q.message .. event, 's', 't', 'l')
        if found[1] == 'c' and worker_of(found[2] or '') == worker and not held[id .. event] then
          redis.call('ZREM', q.claimed, event)
          wait(q, event, found[3], now, now)
          returned = returned + 1
        end
      end
      if returned > before then index(q, now) end
    end
  end
  return returned
end
