-- KEYS: one that nothing else uses. Does once what the other scripts do, and leaves nothing. PUBLISH is tried by
-- itself: without it all the rest still works.
local key = KEYS[1]
redis.call('TIME')
-- The first write of all is one that needs memory: after a write, whichever it is, a script is refused none.
redis.call('SET', key, '1', 'PX', 1000)
redis.call('GET', key)
redis.call('EXISTS', key)
redis.call('DEL', key)
redis.call('HSET', key, 'field', '1')
redis.call('PEXPIRE', key, 1000)
redis.call('HSETNX', key, 'field', '2')
redis.call('HINCRBY', key, 'field', 1)
redis.call('HGET', key, 'field')
redis.call('HMGET', key, 'field')
redis.call('HGETALL', key)
redis.call('PTTL', key)
redis.call('HDEL', key, 'field')
redis.call('DEL', key)
return 1
