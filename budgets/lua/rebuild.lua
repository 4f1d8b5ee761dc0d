-- Builds a tenant's counters from the ledger's sums, the journal entries that are not in it yet, and the holds still here.
-- KEYS  1 policy, 2 holds, 3 journal, 4.. counters to set
-- ARGV  1 run_id, 2 policy version, 3 cursor of the sums, 4 hold prefix, 5 grace (ms) before admitting, for a store that
--       lost the tenant's policy altogether, 6 open at (ms, 0 for at once) otherwise, 7 '1' to rebuild a live one too,
--       then for each counter: spent, expiry (s)
-- Reply {'OK', entries added, holds found} {'LIVE'}: another worker was first {'RETRY'}: the drain has passed the cursor
local function after(a, b) -- whether stream id a comes after b
  local am, as = string.match(a, '^(%d+)-(%d+)$')
  local bm, bs = string.match(b, '^(%d+)-(%d+)$')
  am, bm = tonumber(am), tonumber(bm)
  if am ~= bm then return am > bm end
  return tonumber(as) > tonumber(bs)
end
local p = call('HMGET', KEYS[1], 'run_id', 'version', 'drained_upto')
if p[1] == ARGV[1] and ARGV[7] ~= '1' then return {'LIVE'} end
if p[3] and after(p[3], ARGV[3]) then return {'RETRY'} end
local now = now_ms()
for i = 4, #KEYS do
  local spent, expiry = ARGV[2 * i], ARGV[2 * i + 1]
  call('DEL', KEYS[i])
  if spent ~= '0' then
    call('HSET', KEYS[i], 'spent', spent)
    call('EXPIREAT', KEYS[i], expiry)
  end
end
-- New entries have to come after the cursor even if this server's clock is behind the one that wrote it.
if call('EXISTS', KEYS[3]) == 0 and ARGV[3] ~= '0-0' then
  call('XADD', KEYS[3], ARGV[3], 't', 'cursor')
  call('XDEL', KEYS[3], ARGV[3])
elseif ARGV[3] ~= '0-0' then
  local last = call('XREVRANGE', KEYS[3], '+', '-', 'COUNT', 1)[1]
  if not last or not after(last[1], ARGV[3]) then
    local moved = redis.pcall('XADD', KEYS[3], ARGV[3], 't', 'cursor')
    if type(moved) ~= 'table' then call('XDEL', KEYS[3], ARGV[3]) end
  end
end
local added = 0
for _, entry in ipairs(call('XRANGE', KEYS[3], '(' .. ARGV[3], '+')) do
  local e = entry_of(entry[2])
  if e.t == 'settled' or e.t == 'lapsed' then
    add(e.k, 0, tonumber(e.c))
  elseif e.t == 'corrected' then
    add(e.k, 0, e.c - e.a)
  end
  added = added + 1
end
local found = 0
for _, id in ipairs(call('ZRANGE', KEYS[2], 0, -1)) do
  local state, amount, counters = parts(text_of(ARGV[4] .. id) or '')
  if state == 'open' then
    add(counters, tonumber(amount), 0)
    found = found + 1
  else
    call('ZREM', KEYS[2], id)
  end
end
local version = ARGV[2]
if p[2] and tonumber(p[2]) > tonumber(version) then version = p[2] end
local open_at = p[1] and tonumber(ARGV[6]) or now + tonumber(ARGV[5])
call('HSET', KEYS[1], 'run_id', ARGV[1], 'version', version, 'open_at', int(open_at), 'drained_upto', ARGV[3])
-- Every worker that has something in flight must show it to this building, not only the one that found the old one gone.
call('HSET', KEYS[1], 'built', ARGV[1] .. '-' .. int(now))
return {'OK', added, found}
