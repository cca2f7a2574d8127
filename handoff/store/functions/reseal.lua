-- Replace clear values of an identity by sealed ones, unless they changed meanwhile.
--
-- KEYS identity record, timeline
-- ARGV the identity's data key (wrapped), number of fields, then name, old and new value of each,
--      then the old and the new entry of each touchpoint
-- Answers {1, how many were replaced}, or {0, the key that the identity has instead: '' if it is gone}.
-- The key is set where there is none.

local function run(keys, args)
  local record, timeline = keys[1], keys[2]
  local standing = redis.call('HGET', record, 'k')
  if standing then
    if standing ~= args[1] then return {0, standing} end
  elseif redis.call('HEXISTS', record, 'v') == 0 then
    return {0, ''}
  else
    redis.call('HSET', record, 'k', args[1])
  end
  local done, members = 0, 3 + 3 * tonumber(args[2])
  for at = 3, members - 1, 3 do
    if redis.call('HGET', record, args[at]) == args[at + 1] then
      redis.call('HSET', record, args[at], args[at + 2])
      done = done + 1
    end
  end
  for at = members, #args, 2 do
    if redis.call('ZREM', timeline, args[at]) == 1 then
      redis.call('ZADD', timeline, 0, args[at + 1])
      done = done + 1
    end
  end
  return {1, done}
end
