-- Messages of conversations from a single table of DynamoDB (docs/jobs/conversations.md).

create table messages (
  id uuid primary key,
  -- As it was in DynamoDB; the id itself where that was a UUID.
  source_id text not null,
  conversation_id uuid not null references conversations (id) on delete cascade,
  user_id text not null,
  role text not null constraint messages_role check (role in ('user', 'assistant')),
  content text not null,
  feedback text,
  filter_values json,
  is_user_filter_text boolean,
  metadata json,
  created_at timestamptz,
  updated_at timestamptz
);
