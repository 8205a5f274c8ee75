-- Built when all rows are in, which takes a fraction of the time.

create index if not exists legal_samples_topic on legal_samples (topic);
create index if not exists legal_samples_difficulty on legal_samples (difficulty);
create index if not exists legal_samples_jurisdiction on legal_samples (jurisdiction);
create index if not exists legal_samples_sample_type on legal_samples (sample_type);
create index if not exists legal_samples_batch_id on legal_samples (batch_id);
create index if not exists legal_samples_created_at on legal_samples (created_at);
