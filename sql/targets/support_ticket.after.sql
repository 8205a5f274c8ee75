create index if not exists support_ticket_ticket_id on support_ticket (ticket_id);
create index if not exists support_ticket_opened_at on support_ticket (opened_at);
