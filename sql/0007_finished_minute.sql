-- The view throughput_per_minute over the last hours, without looking at all partitions that there are.
drop index drayage.partitions_finished;
create index partitions_finished_minute on drayage.partitions
  ((date_trunc('minute', finished_at at time zone 'UTC') at time zone 'UTC')) where state = 'done';
