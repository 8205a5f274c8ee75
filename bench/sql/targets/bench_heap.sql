create table bench_heap (
  id int8,
  quantity int4,
  product int4,
  price numeric(15,2),
  weight float8,
  customer text,
  note text,
  day date,
  at timestamp,
  paid bool,
  token uuid
);
