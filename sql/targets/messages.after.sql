create index if not exists messages_conversation_id on messages (conversation_id);
create index if not exists messages_user_id on messages (user_id);
create index if not exists messages_created_at on messages (created_at);
