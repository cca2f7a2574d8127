-- Change records of a tenant's control partition, all or nothing, if their versions are as expected.
--
-- KEYS every key that the program names; ARGV[1] the program in msgpack:
--   checks  {{key, version}}      version 0: absent; a record is its version (8 bytes) ‖ blob
--   puts    {{key, value}}        values with their version in front
--   drops   {{key}}
--   adds    {{key, score, member}}      sorted sets
--   removes {{key, member}}
--   keeps   {{key, value, seconds}}     written only where absent; seconds 0: forever
--   posts   {{key, payload}}      stream entries
-- Keys are numbers into KEYS, from 1. Answers {1}, or {0, the failing check, what is there now}.
-- A commit whose answer was lost is sent again: if every record already has the new value, it was done before.

local function done_before(keys, puts)
  for _, put in ipairs(puts) do
    if redis.call('GET', keys[put[1]]) ~= put[2] then return false end
  end
  return #puts > 0
end

local function run(keys, args)
  local program = cmsgpack.unpack(args[1])
  for number, check in ipairs(program[1]) do
    local found = redis.call('GET', keys[check[1]])
    local version = found and struct.unpack('>I8', string.sub(found, 1, 8)) or 0
    if version ~= check[2] then
      if done_before(keys, program[2]) then return {1} end
      return {0, number, found or ''}
    end
  end
  for _, put in ipairs(program[2]) do redis.call('SET', keys[put[1]], put[2]) end
  for _, drop in ipairs(program[3]) do redis.call('DEL', keys[drop[1]]) end
  for _, add in ipairs(program[4]) do redis.call('ZADD', keys[add[1]], add[2], add[3]) end
  for _, remove in ipairs(program[5]) do redis.call('ZREM', keys[remove[1]], remove[2]) end
  for _, keep in ipairs(program[6]) do
    if keep[3] > 0 then
      redis.call('SET', keys[keep[1]], keep[2], 'NX', 'EX', keep[3])
    else
      redis.call('SET', keys[keep[1]], keep[2], 'NX')
    end
  end
  for _, post in ipairs(program[7]) do redis.call('XADD', keys[post[1]], '*', 'c', post[2]) end
  return {1}
end
