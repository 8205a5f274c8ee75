create table support_sentiment (
  message_id text not null,
  ticket_id text not null,
  sent_at timestamptz,
  author text,
  channel text,
  product text,
  language text,
  text text,
  label text,
  score numeric(5, 4),
  confidence numeric(5, 4)
);
