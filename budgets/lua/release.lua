-- Gives a hold back whole: the provider refused the request, or it was never sent. Journaled as a row of cost 0.
-- KEYS  1 policy, 2 hold, 3 holds, 4 journal
-- ARGV  1 run_id, 2 hold id, 3 usage (JSON: how it ended)
-- Reply {'OK', entry id} {'OK', ''}: unknown, and a tombstone stands that a late reserve obeys {'DONE', state} {'COLD'}
if redis.call('HGET', KEYS[1], 'run_id') ~= ARGV[1] then return {'COLD'} end
local h = redis.call('HMGET', KEYS[2], 'state', 'amount', 'k', 'at', 'm')
if h[1] == 'settled' or h[1] == 'released' then return {'DONE', h[1]} end
local id = ''
if h[1] then
  local amount, kind = tonumber(h[2]), 'settled'
  if h[1] == 'open' then
    add(h[3], 'held', -amount)
  else
    kind = 'corrected'
    add(h[3], 'spent', -amount)
  end
  id = redis.call('XADD', KEYS[4], '*', 't', kind, 'h', ARGV[2], 'c', '0', 'a', h[2], 'k', h[3], 'at', h[4], 'now', int(now_ms()), 'm', h[5], 'u', ARGV[3])
  redis.call('ZREM', KEYS[3], ARGV[2])
end
bury(KEYS[2], 'released')
return {'OK', id}
