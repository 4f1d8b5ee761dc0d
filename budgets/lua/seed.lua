-- Sets counters of end users to the ledger's sums while their tenant is cold: a bounded number a call, for there may be a
-- million of them, and nobody else's request should wait for all.
-- KEYS  1 policy, 2.. counters
-- ARGV  1 run_id, then for each counter: spent, expiry (s)
-- Reply {'OK'} {'LIVE'}: another worker has built it
if call('HGET', KEYS[1], 'run_id') == ARGV[1] then return {'LIVE'} end
for i = 2, #KEYS do
  call('DEL', KEYS[i])
  if ARGV[2 * i - 2] ~= '0' then
    call('HSET', KEYS[i], 'spent', ARGV[2 * i - 2])
    call('EXPIREAT', KEYS[i], ARGV[2 * i - 1])
  end
end
return {'OK'}
