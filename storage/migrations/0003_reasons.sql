-- Reasons are words of the project's list that a rater ticks beside a verdict.
ALTER TABLE projects ADD COLUMN reasons VARCHAR[] DEFAULT ['accuracy', 'safety', 'completeness', 'clarity'];
ALTER TABLE projects ADD COLUMN is_reason_required BOOLEAN DEFAULT false;
ALTER TABLE label_events ADD COLUMN reasons VARCHAR[] DEFAULT [];

-- Made anew: a view keeps the columns that its tables had when it was made.
CREATE OR REPLACE VIEW labels AS
SELECT * FROM label_events
WHERE kind = 'label' AND seq IN (
    SELECT max(seq) FROM label_events WHERE kind <> 'skip' GROUP BY pair_id, rater
);
