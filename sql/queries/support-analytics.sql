-- Support analytics: volume, backlog and sentiment of every product, of tickets opened from the day $from until before $until.
-- A ticket whose messages came in several files has a row for each of them: counts and sums add up, and tickets are told apart by
-- hashes of 64 bits, which takes a fraction of the time that their ids take.
select
  product,
  count(distinct hash(ticket_id)) as tickets,
  count(distinct hash(ticket_id)) filter (where status in ('open', 'pending')) as unresolved,
  count(distinct hash(ticket_id)) filter (where priority = 'urgent') as urgent,
  sum(messages) as messages,
  round(sum(score_sum) / nullif(sum(scored_messages), 0), 4) as sentiment,
  round(sum(negative_messages) / nullif(sum(scored_messages), 0), 4) as negative_share
from ticket
where opened_at >= $from::timestamptz and opened_at < $until::timestamptz
group by product
order by tickets desc, product
