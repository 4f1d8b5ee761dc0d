-- The drain has made rows of the journal up to a cursor: trims it, and lets the tombstones of those holds go soon.
-- KEYS  1 policy, 2 journal, 3 graves
-- ARGV  1 run_id, 2 cursor, 3 hold prefix, 4.. ids of the holds whose end is final (not those whose lease ended: they are
--       kept whole for the worker that comes back)
-- Reply {'OK', entries left}
local KEPT_MS, MOST = 120000, 4
local ms, seq = string.match(ARGV[2], '^(%d+)-(%d+)$')
call('XTRIM', KEYS[2], 'MINID', ms .. '-' .. int(tonumber(seq) + 1))
call('HSET', KEYS[1], 'drained_upto', ARGV[2])
local now = now_ms()
-- Not an EXPIRE for each: that is a command here, another as it ends, and both in the append-only file.
if ARGV[4] then
  call('RPUSH', KEYS[3], int(now + KEPT_MS) .. ' ' .. table.concat(ARGV, ' ', 4))
  call('EXPIRE', KEYS[3], TOMBSTONE_SECONDS)
end
for _ = 1, MOST do
  local grave = call('LINDEX', KEYS[3], 0)
  if not grave or tonumber(string.match(grave, '^%d+')) > now then break end
  call('LPOP', KEYS[3])
  local names, gone = {}, {}
  for id in string.gmatch(grave, ' (%S+)') do names[#names + 1] = ARGV[3] .. id end
  for i, text in ipairs(call('MGET', unpack(names))) do
    -- One that is open is of a store that was put back in the place of the one that was drained.
    if text and parts(text) ~= 'open' then gone[#gone + 1] = names[i] end
  end
  if gone[1] then call('UNLINK', unpack(gone)) end
end
return {'OK', call('XLEN', KEYS[2])}
