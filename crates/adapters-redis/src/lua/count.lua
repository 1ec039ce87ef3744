-- Sliding windows in sixtieths, see throttle.rs.
-- KEYS: one for each window. ARGV: now in ms, or '' for the server's time; then for each window its quota and
-- the length of its parts in ms. Gives for each window: allowed, remaining, ms until reset.
local PARTS = 60

local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end

local function sort(parts)
  table.sort(parts, function(a, b) return a.number < b.number end)
end

-- The calls that count, by the number of their part, and the numbers of parts that do not count any more.
local function read(key, width)
  local current = math.floor(now / width)
  local window = { key = key, width = width, current = current, counted = 0, parts = {}, stale = {} }
  local fields = redis.call('HGETALL', key)
  for i = 1, #fields, 2 do
    local part, calls = tonumber(fields[i]), tonumber(fields[i + 1])
    if math.abs(part - current) <= PARTS then
      window.counted = window.counted + calls
      table.insert(window.parts, { number = part, calls = calls })
    else
      table.insert(window.stale, fields[i])
    end
  end
  sort(window.parts)
  return window
end

local function ms_until_end_of(window, part)
  return (part.number + PARTS + 1) * window.width - now
end

local function ms_until_whole(window)
  local newest = window.parts[#window.parts]
  return newest and ms_until_end_of(window, newest) or 0
end

local function ms_until_room(window, quota)
  local left = window.counted
  for _, part in ipairs(window.parts) do
    left = left - part.calls
    if left < quota then
      return ms_until_end_of(window, part)
    end
  end
  return PARTS * window.width
end

-- What is written is noted too: reading it again would cost as much as all the rest.
local function note(window)
  window.counted = window.counted + 1
  for _, part in ipairs(window.parts) do
    if part.number == window.current then
      part.calls = part.calls + 1
      return
    end
  end
  table.insert(window.parts, { number = window.current, calls = 1 })
  sort(window.parts)
end

local function count(window)
  redis.call('HINCRBY', window.key, string.format('%.0f', window.current), 1)
  if #window.stale > 0 then
    redis.call('HDEL', window.key, unpack(window.stale))
  end
  redis.call('PEXPIRE', window.key, string.format('%.0f', (PARTS + 1) * window.width))
end

local windows, refused = {}, false
for i, key in ipairs(KEYS) do
  -- A window that is named twice is read, and counts, once.
  windows[key] = windows[key] or read(key, tonumber(ARGV[2 * i + 1]))
  refused = refused or windows[key].counted >= tonumber(ARGV[2 * i])
end

if not refused then
  for _, window in pairs(windows) do
    count(window)
    note(window)
  end
end

local outcomes = {}
for i, key in ipairs(KEYS) do
  local window, quota = windows[key], tonumber(ARGV[2 * i])
  local outcome
  if refused and window.counted >= quota then
    outcome = { 0, 0, ms_until_room(window, quota) }
  else
    outcome = { 1, math.max(quota - window.counted, 0), ms_until_whole(window) }
  end
  for _, value in ipairs(outcome) do
    table.insert(outcomes, value)
  end
end
return outcomes
