-- The next case is looked for in the whole queue at every save: by numbers, which costs a third of
-- the time that texts take. So each standing knows its pair's number, and each case the rank of its
-- priority in its project: whole, 1 for the lowest; 0 without one.
ALTER TABLE standing ADD COLUMN pair_seq BIGINT;
UPDATE standing SET pair_seq = pairs.seq FROM pairs WHERE standing.pair_id = pairs.pair_id;

ALTER TABLE queue ADD COLUMN priority_rank BIGINT DEFAULT 0;
UPDATE queue SET priority_rank = ranked.priority_rank
FROM (
    SELECT pair_id, dense_rank() OVER (PARTITION BY project_id ORDER BY priority) AS priority_rank
    FROM queue WHERE priority > 0
) AS ranked
WHERE queue.pair_id = ranked.pair_id;

CREATE INDEX pairs_of_prompt ON pairs (prompt_id);
