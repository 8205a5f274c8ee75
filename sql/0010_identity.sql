-- Names this control database in target databases that lie apart from it: several may load into the same one, and run
-- numbers begin anew when a control database is made anew.
create table drayage.identity (
  id uuid primary key default gen_random_uuid(),
  single boolean not null unique default true check (single)
);
insert into drayage.identity default values;

-- The target database that a run fills, when it is apart: a worker that fills another one must not touch it.
alter table drayage.runs add column target uuid;
