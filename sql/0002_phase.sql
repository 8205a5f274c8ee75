-- What the end of a run is busy with, in words for people; null when nothing is going on.
alter table drayage.runs add column phase text;
