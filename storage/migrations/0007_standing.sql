-- What the log adds up to, kept beside it so that nobody has to read all of it for one case. The log
-- stays the truth; storage.standing writes both tables anew from it.

-- A rater's last word on a pair: the label that holds, and the skip that waits, as seq of the log.
-- `is_own`: the rater gave that label here and by itself; it was not imported, nor part of another.
CREATE TABLE standing (
    pair_id VARCHAR NOT NULL,
    rater VARCHAR NOT NULL,
    project_id VARCHAR NOT NULL,
    label_seq BIGINT,
    skip_seq BIGINT,
    is_own BOOLEAN NOT NULL,
    PRIMARY KEY (pair_id, rater)
);

CREATE INDEX standing_of_pair ON standing (pair_id);

INSERT INTO standing
SELECT
    pair_id,
    rater,
    any_value(project_id),
    CASE
        WHEN arg_max(kind, label_events.seq) FILTER (kind <> 'skip') = 'label'
            THEN max(label_events.seq) FILTER (kind <> 'skip')
    END,
    CASE WHEN arg_max(kind, label_events.seq) = 'skip' THEN max(label_events.seq) END,
    arg_max(kind = 'label' AND NOT is_imported AND part_of IS NULL, label_events.seq)
        FILTER (kind <> 'skip') IS TRUE
FROM label_events JOIN pairs USING (pair_id)
GROUP BY pair_id, rater;

CREATE OR REPLACE VIEW labels AS
SELECT label_events.*
FROM label_events JOIN standing ON label_events.seq = standing.label_seq;

-- The cases that train, with how many raters have a label on each.
DROP VIEW queue;
CREATE TABLE queue (
    pair_id VARCHAR PRIMARY KEY,
    project_id VARCHAR NOT NULL,
    seq BIGINT NOT NULL,
    is_first BOOLEAN NOT NULL,
    num_labels INTEGER NOT NULL
);

INSERT INTO queue
SELECT pair_id, pairs.project_id, pairs.seq, pairs.source <> 'imported', coalesce(num_labels, 0)
FROM pairs
JOIN prompts USING (prompt_id)
LEFT JOIN (
    SELECT pair_id, count(label_seq) AS num_labels FROM standing GROUP BY pair_id
) AS judged USING (pair_id)
WHERE prompts.split = 'train' AND NOT pairs.is_written;
