-- A worker shows a hold that it has open to a store that may not know it (restored, flushed, failed over).
-- KEYS  1 policy, 2 hold, 3 holds, 4 journal
-- ARGV  1 run_id, 2 hold id, 3 amount, 4 counters, 5 at (ms), 6 owner, 7 meta, 8 lease (ms), 9 'open', or 'ended' if the
--       database already has a row of it that was charged at the hold
-- Reply {'OK', state} {'COLD'}
if redis.call('HGET', KEYS[1], 'run_id') ~= ARGV[1] then return {'COLD'} end
local state = redis.call('HGET', KEYS[2], 'state')
if state then return {'OK', state} end
redis.call('HSET', KEYS[2], 'state', ARGV[9], 'amount', ARGV[3], 'k', ARGV[4], 'at', ARGV[5], 'o', ARGV[6], 'm', ARGV[7], 'left', '')
if ARGV[9] == 'open' then
  add(ARGV[4], 'held', tonumber(ARGV[3]))
  redis.call('ZADD', KEYS[3], int(now_ms() + tonumber(ARGV[8])), ARGV[2])
else
  redis.call('EXPIRE', KEYS[2], TOMBSTONE_SECONDS)
end
return {'OK', ARGV[9]}
