-- Ends a hold at its real cost: hold off, cost on, journal entry appended. Never refuses; idempotent by hold.
-- KEYS  1 policy, 2 hold, 3 holds, 4 journal
-- ARGV  1 run_id, 2 hold id, 3 cost, 4 usage (JSON: how it ended), 5 '' or 'adopt', and to adopt a hold that this store
--       has never heard of: 6 amount, 7 counters (space-separated), 8 at (ms), 9 meta
-- Reply {'OK', entry id} {'DONE', state}: it had ended before {'UNKNOWN'} {'COLD'}
if redis.call('HGET', KEYS[1], 'run_id') ~= ARGV[1] then return {'COLD'} end
local h = redis.call('HMGET', KEYS[2], 'state', 'amount', 'k', 'at', 'm')
local state = h[1]
if not state then
  if ARGV[5] ~= 'adopt' then return {'UNKNOWN'} end
  h = {'adopted', ARGV[6], ARGV[7], ARGV[8], ARGV[9]}
end
if state == 'settled' or state == 'released' then return {'DONE', state} end
local cost, amount = tonumber(ARGV[3]), tonumber(h[2])
local kind = 'settled'
if state == 'open' then
  add(h[3], 'held', -amount)
  add(h[3], 'spent', cost)
elseif state == 'ended' then
  kind = 'corrected'
  add(h[3], 'spent', cost - amount)
else
  add(h[3], 'spent', cost)
end
local id = redis.call('XADD', KEYS[4], '*', 't', kind, 'h', ARGV[2], 'c', ARGV[3], 'a', h[2], 'k', h[3], 'at', h[4], 'now', int(now_ms()), 'm', h[5], 'u', ARGV[4])
redis.call('ZREM', KEYS[3], ARGV[2])
bury(KEYS[2], 'settled')
return {'OK', id}
