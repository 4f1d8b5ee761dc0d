-- Ends the holds whose lease has run out, a bounded number of them.
-- KEYS  1 policy, 2 holds, 3 journal
-- ARGV  1 run_id, 2 hold prefix, 3 how many at most
-- Reply {'OK', ended, still due ('1' or '')} {'COLD'}
if call('HGET', KEYS[1], 'run_id') ~= ARGV[1] then return {'COLD'} end
local now, most, ended = now_ms(), tonumber(ARGV[3]), 0
local due = call('ZRANGEBYSCORE', KEYS[2], '-inf', now, 'LIMIT', 0, most)
for _, id in ipairs(due) do
  if lapse(KEYS[2], KEYS[3], ARGV[2] .. id, id) then ended = ended + 1 end
end
return {'OK', ended, #due == most and '1' or ''}
