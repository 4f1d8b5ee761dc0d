-- What counters say now, in one look, for pages and the API. Changes nothing.
-- KEYS  1 policy, 2.. counters
-- ARGV  1 run_id
-- Reply {'OK', {spent, held, refused (the cap at which a request was last refused in the window, else '')} for each counter}
--       {'COLD'}: the counters were built on another server, or not at all
if call('HGET', KEYS[1], 'run_id') ~= ARGV[1] then return {'COLD'} end
local seen = {}
for i = 2, #KEYS do
  local c = call('HMGET', KEYS[i], 'spent', 'held', 'refused')
  seen[#seen + 1] = {c[1] or '0', c[2] or '0', c[3] or ''}
end
return {'OK', seen}
