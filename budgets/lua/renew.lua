-- Renews the leases of a worker's open holds of one tenant, and says which of them have ended or were never heard of.
-- KEYS  1 policy, 2 holds
-- ARGV  1 run_id, 2 lease (ms), 3 the building of the counters that the worker has shown its holds to ('' none yet),
--       4.. hold ids
-- Reply {'OK', drained_upto, missing ids...} {'COLD'}
local p = call('HMGET', KEYS[1], 'run_id', 'drained_upto', 'built')
if p[1] ~= ARGV[1] or (ARGV[3] ~= '' and ARGV[3] ~= (p[3] or '')) then return {'COLD'} end
local reply, till = {'OK', p[2] or ''}, now_ms() + ARGV[2]
for i = 4, #ARGV do
  if call('ZSCORE', KEYS[2], ARGV[i]) then
    call('ZADD', KEYS[2], 'XX', till, ARGV[i])
  else
    reply[#reply + 1] = ARGV[i]
  end
end
return reply
