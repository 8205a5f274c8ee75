create index if not exists conversations_user_id on conversations (user_id);
create index if not exists conversations_updated_at on conversations (updated_at);
