-- Numbers what happens: microseconds of the server's clock, never the same twice, never smaller than the one
-- before. When the clock is not there (a new server, or one that lost its data) it starts anew, and nothing
-- that was loaded under an earlier number is believed: `floor`.
local function text(number)
  return string.format('%.0f', number)
end

local function tick(clock, life)
  local time = redis.call('TIME')
  local number = time[1] * 1000000 + time[2]
  local last = tonumber(redis.call('HGET', clock, 'last'))
  if not last then
    redis.call('HSET', clock, 'floor', text(number))
  elseif last >= number then
    number = last + 1
  end
  redis.call('HSET', clock, 'last', text(number))
  redis.call('PEXPIRE', clock, life)
  return number
end

