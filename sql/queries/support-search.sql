-- Search: tickets opened from the day $from until before $until whose subject, or an entity of whose messages, holds $text; the
-- latest first, $limit of them.
with named as (
  select distinct ticket_id
  from entity
  where contains(normalized, lower($text))
)
select
  ticket_id,
  max(opened_at) as opened_at,
  arg_max(subject, last_message_at) as subject,
  arg_max(product, last_message_at) as product,
  arg_max(status, last_message_at) as status,
  bool_or(named.ticket_id is not null) as by_entity
from ticket left join named using (ticket_id)
where opened_at >= $from::timestamptz
  and opened_at < $until::timestamptz
  and (named.ticket_id is not null or contains(lower(subject), lower($text)))
group by ticket_id
order by opened_at desc, ticket_id desc
limit $limit::integer
