-- Take an identity out of sight: everything that it has moves to a grave, and its record keeps the time.
--
-- KEYS timeline `{tag}t` ‖ home; ARGV erased at (8, as in places), job (16)
-- Answers the number of its touchpoints. Doing it again changes nothing, nor does it after a later erasure: what is
-- there by then is a new history.

local function run(keys, args)
  local timeline, erased_at, job = keys[1], args[1], args[2]
  local tag, home = string.sub(timeline, 1, -18), string.sub(timeline, -16)
  local record = tag .. 'n' .. home
  local mark = redis.call('HGET', record, 'd')
  if not mark or precedes(string.sub(mark, 1, 8), erased_at) then
    for _, kind in ipairs({'t', 'i', 'a', 'n'}) do
      if redis.call('EXISTS', tag .. kind .. home) == 1 then
        redis.call('RENAME', tag .. kind .. home, grave(tag, kind, job, home))
      end
    end
    redis.call('DEL', tag .. 'p' .. home) -- a checkpoint, readable only with the touchpoints that it is made of
    redis.call('HSET', record, 'd', erased_at .. job)
  end
  return redis.call('ZCARD', grave(tag, 't', job, home))
end
