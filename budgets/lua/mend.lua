-- Moves a counter by a difference that the audit found; never sets it, so that what happens meanwhile is kept.
-- KEYS  1 policy, 2 counter
-- ARGV  1 run_id, 2 field (spent or held), 3 difference
-- Reply {'OK', new value} {'COLD'}
if call('HGET', KEYS[1], 'run_id') ~= ARGV[1] then return {'COLD'} end
local moved = call('HINCRBY', KEYS[2], ARGV[2], ARGV[3])
if call('TTL', KEYS[2]) == -1 then call('EXPIRE', KEYS[2], 259200) end -- it was gone: a life again, a bounded one
return {'OK', int(moved)}
