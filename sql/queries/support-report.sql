-- Report: tickets, messages, sentiment, and the entity that was named most, of every day from $from until before $until.
with tickets as (
  select make_timestamp(epoch_us(opened_at))::date as date, count(distinct hash(ticket_id)) as tickets, sum(messages) as messages
  from ticket
  where opened_at >= $from::timestamptz and opened_at < $until::timestamptz
  group by date
),
moods as (
  select make_timestamp(epoch_us(sent_at))::date as date, avg(score) as sentiment, count(*) filter (where label = 'negative') as negative
  from sentiment
  where sent_at >= $from::timestamptz and sent_at < $until::timestamptz
  group by date
),
names as (
  select date, arg_max(normalized, (n, normalized)) as top_entity, max(n) as mentions
  from (
    select make_timestamp(epoch_us(sent_at))::date as date, normalized, count(*) as n
    from entity
    where sent_at >= $from::timestamptz and sent_at < $until::timestamptz
    group by date, normalized
  )
  group by date
)
select
  date,
  coalesce(tickets, 0) as tickets,
  coalesce(messages, 0) as messages,
  round(sentiment, 4) as sentiment,
  coalesce(negative, 0) as negative,
  top_entity,
  coalesce(mentions, 0) as top_entity_mentions
from tickets full join moods using (date) full join names using (date)
order by date
