-- KEYS: session, its end, its account's last change, clock.
-- ARGV: ticket, account, snapshot, life in ms, the longest that a load may take in microseconds.
-- Keeps the snapshot unless something overtook it; says whether it did.
local ticket = tonumber(ARGV[1])
local floor = tonumber(redis.call('HGET', KEYS[4], 'floor'))
if not floor or ticket < floor then
  return 0
end
-- The tombstones that could speak against an older load may be gone.
local time = redis.call('TIME')
local age = math.max(time[1] * 1000000 + time[2] - ticket, 0)
if age > tonumber(ARGV[5]) then
  return 0
end
if redis.call('EXISTS', KEYS[2]) == 1 then
  return 0
end
local changed = tonumber(redis.call('GET', KEYS[3]))
if changed and changed > ticket then
  return 0
end
-- A snapshot is as old as its load.
local life = tonumber(ARGV[4]) - math.floor(age / 1000)
if life <= 0 then
  return 0
end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'ticket', ARGV[1], 'account', ARGV[2], 'snapshot', ARGV[3])
redis.call('PEXPIRE', KEYS[1], string.format('%.0f', life))
return 1
