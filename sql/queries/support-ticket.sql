-- Ticket detail: the ticket $id, its messages with their sentiment in their order, and the entities found in each.
with found as (
  select message_id, list({'type': type, 'text': text, 'normalized': normalized, 'confidence': confidence} order by ordinal) as entities
  from entity
  where ticket_id = $id
  group by message_id
),
said as (
  select list({
    'message_id': message_id, 'sent_at': sent_at, 'author': author, 'language': language, 'text': text,
    'label': label, 'score': score, 'confidence': confidence, 'entities': entities
  } order by sent_at, message_id) as list
  from sentiment left join found using (message_id)
  where ticket_id = $id
)
select
  ticket_id,
  min(opened_at) as opened_at,
  max(last_message_at) as last_message_at,
  arg_max(subject, last_message_at) as subject,
  arg_max(product, last_message_at) as product,
  arg_max(channel, last_message_at) as channel,
  arg_max(priority, last_message_at) as priority,
  arg_max(status, last_message_at) as status,
  sum(messages) as messages,
  round(sum(score_sum) / nullif(sum(scored_messages), 0), 4) as sentiment,
  any_value(said.list) as said
from ticket cross join said
where ticket_id = $id
group by ticket_id
