-- A first set of organisations, for a database that nobody has given any.

insert into organisations (id, name, type, contact_email)
select md5('organisation ' || name)::uuid, name, type, email
from (values
  ('City Roads Department', 'government', 'roads@city.example'),
  ('Water and Sewerage Company', 'utility', 'water@city.example'),
  ('Power Distribution Company', 'utility', 'power@city.example'),
  ('Environment and Waste Office', 'government', 'waste@city.example'),
  ('Police and Public Safety', 'emergency', 'safety@city.example'),
  ('County Health Services', 'health', 'health@city.example')
) initial(name, type, email)
where not exists (select from organisations)
on conflict do nothing;
