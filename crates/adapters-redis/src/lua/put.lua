-- KEYS: session, its end, its account's last change, clock.
-- ARGV: ticket, account, snapshot, life in ms, the longest that a load may take in microseconds.
-- Keeps the snapshot unless something overtook it.
local ticket = tonumber(ARGV[1])
local floor = tonumber(redis.call('HGET', KEYS[4], 'floor'))
if not floor or ticket < floor then
  return 0
end
-- The tombstones that could speak against an older load may be gone.
local time = redis.call('TIME')
if time[1] * 1000000 + time[2] - ticket > tonumber(ARGV[5]) then
  return 0
end
if redis.call('EXISTS', KEYS[2]) == 1 then
  return 0
end
local changed = tonumber(redis.call('GET', KEYS[3]))
if changed and changed > ticket then
  return 0
end
redis.call('HSET', KEYS[1], 'ticket', ARGV[1], 'account', ARGV[2], 'snapshot', ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return 1
