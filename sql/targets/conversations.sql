-- Conversations from a single table of DynamoDB (docs/jobs/conversations.md).

create table conversations (
  id uuid primary key,
  -- As it was in DynamoDB; the id itself where that was a UUID.
  source_id text not null,
  user_id text not null,
  title text,
  -- json keeps the text, with every digit and in its order.
  filter_values json,
  is_active boolean not null,
  created_at timestamptz,
  updated_at timestamptz
);
