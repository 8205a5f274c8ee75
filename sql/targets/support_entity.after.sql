create index if not exists support_entity_ticket_id on support_entity (ticket_id);
create index if not exists support_entity_sent_at on support_entity (sent_at);
