-- KEYS: clock, then for each ended session the session and its end, then each account's last change.
-- ARGV: life of the clock in ms, life of a tombstone in ms, how many sessions, channel, message.
local number = text(tick(KEYS[1], ARGV[1]))
local sessions = 2 * tonumber(ARGV[3])
for i = 2, sessions, 2 do
  redis.call('DEL', KEYS[i])
  redis.call('SET', KEYS[i + 1], number, 'PX', ARGV[2])
end
for i = sessions + 2, #KEYS do
  redis.call('SET', KEYS[i], number, 'PX', ARGV[2])
end
-- After the tombstones: whoever hears of it and loads again finds them.
redis.call('PUBLISH', ARGV[4], ARGV[5])
return 1
