-- KEYS: session, its end, clock. ARGV: what comes before an account's id in the key of its last change, the
-- last part of a snapshot's life in ms in which it is due for its early refresh.
-- Gives the snapshot and whether this caller is to refresh it, or nothing: when there is none, its session
-- ended (a node of another release forgets another release's snapshot only by this), or its account changed
-- since it was loaded.
local kept = redis.call('HMGET', KEYS[1], 'ticket', 'account', 'snapshot')
local ticket = tonumber(kept[1])
if not ticket then
  return false
end
local floor = tonumber(redis.call('HGET', KEYS[3], 'floor'))
if not floor or ticket < floor then
  return false
end
if redis.call('EXISTS', KEYS[2]) == 1 then
  return false
end
local changed = tonumber(redis.call('GET', ARGV[1] .. kept[2]))
if changed and changed > ticket then
  return false
end
local due = 0
if redis.call('PTTL', KEYS[1]) <= tonumber(ARGV[2]) then
  -- The first who comes in that part of its life; a new snapshot is put without the mark.
  due = redis.call('HSETNX', KEYS[1], 'refreshing', 1)
end
return { kept[3], due }
