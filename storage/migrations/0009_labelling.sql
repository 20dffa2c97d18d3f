-- Held-out cases are labelled like all others: a label of theirs is what a run is checked against.
INSERT INTO queue (pair_id, project_id, seq, is_first, num_labels)
SELECT pair_id, pairs.project_id, pairs.seq, pairs.source <> 'imported', coalesce(num_labels, 0)
FROM pairs
JOIN prompts USING (prompt_id)
LEFT JOIN (
    SELECT pair_id, count(label_seq) AS num_labels FROM standing
    WHERE NOT is_final GROUP BY pair_id
) AS judged USING (pair_id)
WHERE prompts.split = 'held_out' AND NOT pairs.is_written
ON CONFLICT DO NOTHING;

-- The answer that a rater saw on the left when they first said something of a pair; NULL where they
-- saw no sides. The next rater of the pair sees them changed over.
ALTER TABLE standing ADD COLUMN "left" VARCHAR;
UPDATE standing SET "left" = seen."left"
FROM (
    SELECT pair_id, rater, is_final, arg_min("left", seq) AS "left" FROM label_events
    WHERE "left" IS NOT NULL GROUP BY ALL
) AS seen
WHERE (standing.pair_id, standing.rater, standing.is_final)
    = (seen.pair_id, seen.rater, seen.is_final);

-- What people have typed and not saved; it goes with the label or the form that it becomes.
CREATE TABLE drafts (
    kind VARCHAR NOT NULL,
    rater VARCHAR NOT NULL,
    subject VARCHAR NOT NULL,
    content VARCHAR NOT NULL,
    updated_at VARCHAR NOT NULL,
    PRIMARY KEY (kind, rater, subject)
);

-- When a one-time password was given out; NULL where that was before they ran out.
ALTER TABLE raters ADD COLUMN invited_at VARCHAR;
