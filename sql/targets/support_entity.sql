create table support_entity (
  message_id text not null,
  ticket_id text not null,
  sent_at timestamptz,
  ordinal integer,
  type text,
  text text,
  normalized text,
  start_offset integer,
  end_offset integer,
  confidence numeric(5, 4)
);
