-- A worker shows a hold that it has open to a store that may not know it (restored, flushed, failed over).
-- KEYS  1 policy, 2 hold, 3 holds, 4 journal
-- ARGV  1 run_id, 2 hold id, 3 amount, 4 counters, 5 at (ms), 6 owner, 7 meta, 8 lease (ms), 9 'open', or 'ended' if the
--       database already has a row of it that was charged at the hold
-- Reply {'OK', state} {'COLD'}
if call('HGET', KEYS[1], 'run_id') ~= ARGV[1] then return {'COLD'} end
local known = text_of(KEYS[2])
local state = known and parts(known)
if state then return {'OK', state} end
local text = table.concat({ARGV[9], ARGV[3], ARGV[4], ARGV[5], ARGV[6], '', ARGV[7]}, '\n')
if ARGV[9] == 'open' then
  call('SET', KEYS[2], text)
  add(ARGV[4], tonumber(ARGV[3]), 0)
  call('ZADD', KEYS[3], now_ms() + ARGV[8], ARGV[2])
else
  bury(KEYS[2], text)
end
return {'OK', ARGV[9]}
