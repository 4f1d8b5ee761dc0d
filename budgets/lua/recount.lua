-- Begins to build a tenant's counters again. A live tenant becomes cold, so that nothing moves until it is built; and what
-- the journal's tail and the open holds have put on counters of end users is taken off, for the rebuild adds it again.
-- KEYS  1 policy, 2 holds, 3 journal
-- ARGV  1 run_id, 2 hold prefix, 3 '1' to begin with a live tenant too
-- Reply {'OK'} {'LIVE'}: it needs no rebuild
if redis.call('HGET', KEYS[1], 'run_id') == ARGV[1] then
  if ARGV[3] ~= '1' then return {'LIVE'} end
  redis.call('HSET', KEYS[1], 'run_id', 'recount')
end
local function forget(counters)
  for key in string.gmatch(counters, '%S+') do
    if string.find(key, '}:user:', 1, true) then redis.call('DEL', key) end
  end
end
for _, entry in ipairs(redis.call('XRANGE', KEYS[3], '-', '+')) do
  for i = 1, #entry[2], 2 do
    if entry[2][i] == 'k' then forget(entry[2][i + 1]) end
  end
end
for _, id in ipairs(redis.call('ZRANGE', KEYS[2], 0, -1)) do
  forget(redis.call('HGET', ARGV[2] .. id, 'k') or '')
end
return {'OK'}
