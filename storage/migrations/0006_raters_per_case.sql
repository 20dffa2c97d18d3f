ALTER TABLE projects ADD COLUMN raters_per_case INTEGER DEFAULT 1;

-- The queue: cases that train, with who has a label on each.
CREATE OR REPLACE VIEW queue AS
SELECT
    pairs.pair_id,
    pairs.project_id,
    pairs.seq,
    pairs.source <> 'imported' AS is_first,
    projects.raters_per_case,
    coalesce(judged.raters, []) AS raters
FROM pairs
JOIN prompts USING (prompt_id)
JOIN projects ON projects.project_id = pairs.project_id
LEFT JOIN (
    SELECT pair_id, list(DISTINCT rater) AS raters FROM labels GROUP BY pair_id
) AS judged USING (pair_id)
WHERE prompts.split = 'train' AND NOT pairs.is_written;
