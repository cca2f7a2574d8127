-- Take an identity out of sight: everything that it has moves to a grave, and its record keeps the time.
--
-- KEYS timeline `{tag}t` ‖ home; ARGV erased at (8, as in places), job (16)
-- Answers the number of its touchpoints. Doing it again changes nothing.

local function run(keys, args)
  local timeline, erased_at, job = keys[1], args[1], args[2]
  local tag, home = string.sub(timeline, 1, -18), string.sub(timeline, -16)
  local record = tag .. 'n' .. home
  local mark = redis.call('HGET', record, 'd')
  if not (mark and string.sub(mark, 9, 24) == job) then
    for _, kind in ipairs({'t', 'i', 'a', 'n'}) do
      if redis.call('EXISTS', tag .. kind .. home) == 1 then
        redis.call('RENAME', tag .. kind .. home, grave(tag, kind, job, home))
      end
    end
    redis.call('DEL', tag .. 'p' .. home) -- a checkpoint, readable only with the touchpoints that it is made of
    if mark and precedes(erased_at, string.sub(mark, 1, 8)) then erased_at = string.sub(mark, 1, 8) end
    redis.call('HSET', record, 'd', erased_at .. job)
  end
  return redis.call('ZCARD', grave(tag, 't', job, home))
end
