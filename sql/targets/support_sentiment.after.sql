create index if not exists support_sentiment_ticket_id on support_sentiment (ticket_id);
create index if not exists support_sentiment_sent_at on support_sentiment (sent_at);
