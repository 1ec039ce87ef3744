-- KEYS: clock. ARGV: life of the clock in ms, channel, message.
-- Disbelieves everything that was loaded so far. What is kept leaves when its time comes.
redis.call('HSET', KEYS[1], 'floor', text(tick(KEYS[1], ARGV[1])))
redis.call('PUBLISH', ARGV[2], ARGV[3])
return 1
