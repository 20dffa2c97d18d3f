-- A rater who finds both answers bad may write a better one: two more pairs, each with a label that
-- is part of the verdict (the event_id of that label) and withdrawn together with it.
ALTER TABLE pairs ADD COLUMN is_written BOOLEAN DEFAULT false;
ALTER TABLE label_events ADD COLUMN part_of VARCHAR;

-- Made anew: a view keeps the columns that its tables had when it was made.
CREATE OR REPLACE VIEW labels AS
SELECT * FROM label_events
WHERE kind = 'label' AND seq IN (
    SELECT max(seq) FROM label_events WHERE kind <> 'skip' GROUP BY pair_id, rater
);

-- Pairs with a written answer are no cases: nobody is asked about them.
CREATE OR REPLACE VIEW queue AS
SELECT
    pairs.pair_id,
    pairs.project_id,
    pairs.seq,
    pairs.source <> 'imported' AS is_first,
    pairs.pair_id NOT IN (SELECT pair_id FROM labels) AS is_pending
FROM pairs JOIN prompts USING (prompt_id)
WHERE prompts.split = 'train' AND NOT pairs.is_written;
