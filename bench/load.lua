-- Load for wrk: every request a new event id, every fifth a customer's next touchpoint.
--
-- BENCH_TEMPLATES  a file with one JSON body a line, \1 where the event id and \2 where the customer's
--                  number goes; five lines in a row are one customer's
-- BENCH_PATH, BENCH_HEADERS (each ended by CRLF), BENCH_RUN (a number of its own for every run)
-- Prints one line of JSON when done.

local EACH = 5     -- touchpoints of one customer
local BLOCK = 512  -- customers who come by in turn, so that one's touchpoints are not neighbours
local EVENT, PERSON = '\1', '\2'

local templates = {}
local count = 0

local function template(body)
  local length = 0
  local parts, slots = {''}, {}
  for literal, marker in string.gmatch(body .. '\3', '([^\1\2\3]*)([\1\2\3])') do
    parts[#parts + 1] = literal
    length = length + #literal
    if marker ~= '\3' then
      parts[#parts + 1] = marker
      slots[#parts] = marker
      length = length + (marker == EVENT and 20 or 12)
    end
  end
  parts[1] = string.format('POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\n%sContent-Length: %d\r\n\r\n',
    os.getenv('BENCH_PATH'), os.getenv('BENCH_HEADERS') or '', length)
  return {parts = parts, slots = slots}
end

function init()
  for line in io.lines(os.getenv('BENCH_TEMPLATES')) do
    templates[#templates + 1] = template(line)
  end
end

function request()
  local turn = count % (BLOCK * EACH)
  local step = math.floor(turn / BLOCK)
  local person = math.floor(count / (BLOCK * EACH)) * BLOCK + turn % BLOCK
  local chosen = templates[(person * EACH + step) % #templates + 1]
  local run = tonumber(os.getenv('BENCH_RUN'))
  local event = string.format('event-%04d-%09d', run, count)
  local customer = string.format('%04d%08d', run, person)
  for place, marker in pairs(chosen.slots) do
    chosen.parts[place] = marker == EVENT and event or customer
  end
  count = count + 1
  return table.concat(chosen.parts)
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '{"requests":%d,"microseconds":%d,"refused":%d,"broken":%d,"p50_us":%d,"p99_us":%d}\n',
    summary.requests, summary.duration, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50), latency:percentile(99)))
end
