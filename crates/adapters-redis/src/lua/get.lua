-- KEYS: session, clock. ARGV: what comes before an account's id in the key of its last change.
-- Gives the snapshot, or nothing when there is none or its account changed since it was loaded.
local kept = redis.call('HMGET', KEYS[1], 'ticket', 'account', 'snapshot')
local ticket = tonumber(kept[1])
if not ticket then
  return false
end
local floor = tonumber(redis.call('HGET', KEYS[2], 'floor'))
if not floor or ticket < floor then
  return false
end
local changed = tonumber(redis.call('GET', ARGV[1] .. kept[2]))
if changed and changed > ticket then
  return false
end
return kept[3]
