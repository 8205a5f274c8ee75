-- A crash empties unlogged tables, this one with them: its row names the time since the latest crash, and a load into an
-- unlogged table is worth as much as the time that its entry in the ledger names. As in the control schema: either may be
-- applied first to a database.

create unlogged table if not exists drayage.epoch (
  id uuid not null default gen_random_uuid(),
  single boolean primary key default true check (single)
);

-- Null for tables that survive.
alter table drayage.loads add column if not exists epoch uuid;
create index if not exists loads_epoch on drayage.loads (run_id) where epoch is not null;

create or replace function drayage.current_epoch() returns uuid language plpgsql as $$
begin
  -- Mostly it is there, and nobody waits for anybody.
  if not exists (select from drayage.epoch) then
    insert into drayage.epoch default values on conflict do nothing;
  end if;
  return (select id from drayage.epoch);
end $$;
