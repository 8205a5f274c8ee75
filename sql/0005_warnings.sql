-- What was missing or odd in a partition, and kept nothing from being loaded: [{ "row": 1, "message": "…" }].

alter table drayage.partitions add column warnings jsonb not null default '[]';
create index partitions_warned on drayage.partitions (run_id, id) where warnings <> '[]';
