-- Delete some of the touchpoints in a grave, and the grave once it is empty. Their ids stay for a while.
--
-- KEYS timeline `{tag}t` ‖ home; ARGV job (16), most entries, seconds that the ids stay
-- Answers how many were deleted now, and how many are left.

local function run(keys, args)
  local timeline, job, most = keys[1], args[1], tonumber(args[2])
  local tag, home = string.sub(timeline, 1, -18), string.sub(timeline, -16)
  local buried, ids = grave(tag, 't', job, home), tag .. 'D' .. home
  local members = redis.call('ZRANGE', buried, 0, most - 1)
  for _, member in ipairs(members) do
    redis.call('SADD', ids, string.sub(member, 17, 32))
  end
  if #members > 0 then
    redis.call('EXPIRE', ids, tonumber(args[3]))
    redis.call('ZREMRANGEBYRANK', buried, 0, #members - 1)
  end
  local left = redis.call('ZCARD', buried)
  if left == 0 then
    for _, kind in ipairs({'t', 'i', 'a', 'n'}) do redis.call('DEL', grave(tag, kind, job, home)) end
  end
  return {#members, left}
end
