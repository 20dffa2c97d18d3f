-- What came from a file is known as such for ever: who brought it, and when (ISO 8601 in UTC). What
-- was imported before says only that it was. A log's event says of itself whether it had been
-- imported where it was said; that is `was_imported`, and goes out again with the log.
ALTER TABLE label_events ADD COLUMN imported_by VARCHAR;
ALTER TABLE label_events ADD COLUMN imported_at VARCHAR;
ALTER TABLE label_events ADD COLUMN was_imported BOOLEAN;

-- Made anew: a view keeps the columns that its tables had when it was made.
CREATE OR REPLACE VIEW labels AS
SELECT label_events.*
FROM label_events JOIN standing ON label_events.seq = standing.label_seq;
