-- The transactions that a worker still has a hand on: a partition of any other takes up no room under a limit.
alter table drayage.workers add column packs text[] not null default '{}';
