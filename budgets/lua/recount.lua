-- Begins to build a tenant's counters again. A live tenant becomes cold, so that nothing moves until it is built; and what
-- the journal's tail and the open holds have put on counters of end users is taken off, for the rebuild adds it again.
-- KEYS  1 policy, 2 holds, 3 journal
-- ARGV  1 run_id, 2 hold prefix, 3 '1' to begin with a live tenant too
-- Reply {'OK'} {'LIVE'}: it needs no rebuild
if call('HGET', KEYS[1], 'run_id') == ARGV[1] then
  if ARGV[3] ~= '1' then return {'LIVE'} end
  call('HSET', KEYS[1], 'run_id', 'recount')
end
local function forget(counters)
  for key in string.gmatch(counters, '%S+') do
    if string.find(key, '}:user:', 1, true) then call('DEL', key) end
  end
end
for _, entry in ipairs(call('XRANGE', KEYS[3], '-', '+')) do
  forget(entry_of(entry[2]).k or '')
end
for _, id in ipairs(call('ZRANGE', KEYS[2], 0, -1)) do
  local _, _, counters = parts(text_of(ARGV[2] .. id) or '')
  forget(counters or '')
end
return {'OK'}
