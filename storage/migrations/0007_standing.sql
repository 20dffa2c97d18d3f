-- What the log adds up to, kept beside it so that nobody has to read all of it for one case. The log
-- stays the truth; storage.standing writes both tables anew from it.

-- A final label settles what raters disagree on: what trains, whatever they said themselves. It was
-- given in sight of their labels, so it is no rater's independent word.
ALTER TABLE label_events ADD COLUMN is_final BOOLEAN DEFAULT false;

-- A part of the cases is shown a second time, with the answers changed over.
ALTER TABLE projects ADD COLUMN repeat_percent INTEGER DEFAULT 0;

-- A rater's last word on a pair: the label that holds, and the skip that waits, as seq of the log.
-- `is_own`: the rater gave that label here and by itself; it was not imported, nor part of another.
CREATE TABLE standing (
    pair_id VARCHAR NOT NULL,
    rater VARCHAR NOT NULL,
    project_id VARCHAR NOT NULL,
    label_seq BIGINT,
    skip_seq BIGINT,
    is_own BOOLEAN NOT NULL,
    is_final BOOLEAN NOT NULL,
    PRIMARY KEY (pair_id, rater, is_final)
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
        FILTER (kind <> 'skip') IS TRUE,
    is_final
FROM label_events JOIN pairs USING (pair_id)
GROUP BY pair_id, rater, is_final;

CREATE OR REPLACE VIEW labels AS
SELECT label_events.*
FROM label_events JOIN standing ON label_events.seq = standing.label_seq;

-- The cases that train, with how many raters have a label on each. Those of a higher priority come
-- first.
DROP VIEW queue;
CREATE TABLE queue (
    pair_id VARCHAR PRIMARY KEY,
    project_id VARCHAR NOT NULL,
    seq BIGINT NOT NULL,
    is_first BOOLEAN NOT NULL,
    num_labels INTEGER NOT NULL,
    priority DOUBLE NOT NULL DEFAULT 0
);

INSERT INTO queue (pair_id, project_id, seq, is_first, num_labels)
SELECT pair_id, pairs.project_id, pairs.seq, pairs.source <> 'imported', coalesce(num_labels, 0)
FROM pairs
JOIN prompts USING (prompt_id)
LEFT JOIN (
    SELECT pair_id, count(label_seq) AS num_labels FROM standing
    WHERE NOT is_final GROUP BY pair_id
) AS judged USING (pair_id)
WHERE prompts.split = 'train' AND NOT pairs.is_written;
