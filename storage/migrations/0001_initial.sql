-- Times are ISO 8601 in UTC; columns carry the names of the fields in gem_backend.types.

CREATE SEQUENCE project_seq;
CREATE SEQUENCE prompt_seq;
CREATE SEQUENCE pair_seq;
CREATE SEQUENCE label_seq;
CREATE SEQUENCE candidate_seq;
CREATE SEQUENCE ranking_seq;
CREATE SEQUENCE run_seq;

CREATE TABLE projects (
    project_id VARCHAR PRIMARY KEY,
    seq BIGINT NOT NULL DEFAULT nextval('project_seq'),
    name VARCHAR NOT NULL UNIQUE,
    guidelines VARCHAR NOT NULL,
    answer_marker VARCHAR NOT NULL,
    created_at VARCHAR NOT NULL
);

CREATE TABLE prompts (
    prompt_id VARCHAR PRIMARY KEY,
    seq BIGINT NOT NULL DEFAULT nextval('prompt_seq'),
    project_id VARCHAR NOT NULL,
    prompt VARCHAR NOT NULL,
    split VARCHAR NOT NULL CHECK (split IN ('train', 'held_out', 'pool')),
    gold_answer VARCHAR,
    created_at VARCHAR NOT NULL
);

-- A pair has the split of its prompt, so that no prompt can be in two splits.
CREATE TABLE pairs (
    pair_id VARCHAR PRIMARY KEY,
    seq BIGINT NOT NULL DEFAULT nextval('pair_seq'),
    project_id VARCHAR NOT NULL,
    prompt_id VARCHAR NOT NULL,
    answer_a VARCHAR NOT NULL,
    answer_b VARCHAR NOT NULL,
    source VARCHAR NOT NULL CHECK (source IN ('imported', 'sampled', 'entered')),
    created_at VARCHAR NOT NULL
);

-- Append-only: no statement of the program updates or deletes a row of it.
CREATE TABLE label_events (
    event_id VARCHAR PRIMARY KEY,
    seq BIGINT NOT NULL DEFAULT nextval('label_seq'),
    pair_id VARCHAR NOT NULL,
    rater VARCHAR NOT NULL,
    kind VARCHAR NOT NULL CHECK (kind IN ('label', 'undo', 'skip')),
    verdict VARCHAR CHECK (verdict IN ('a', 'b', 'tie', 'both_bad', 'cannot_judge')),
    "left" VARCHAR CHECK ("left" IN ('a', 'b')),
    strength INTEGER NOT NULL DEFAULT 1 CHECK (strength BETWEEN 1 AND 3),
    is_acceptable BOOLEAN NOT NULL DEFAULT true,
    rationale VARCHAR NOT NULL DEFAULT '',
    elapsed_s DOUBLE,
    is_imported BOOLEAN NOT NULL DEFAULT false,
    created_at VARCHAR NOT NULL,
    monotonic_s DOUBLE NOT NULL,
    CHECK ((kind = 'label') = (verdict IS NOT NULL))
);

-- What holds now: the last word of a rater on a pair, unless that word was "undo".
CREATE VIEW labels AS
SELECT * FROM label_events
WHERE kind = 'label' AND seq IN (
    SELECT max(seq) FROM label_events WHERE kind <> 'skip' GROUP BY pair_id, rater
);

-- The queue: cases that train. `is_pending` while nobody has a label on one.
CREATE VIEW queue AS
SELECT
    pairs.pair_id,
    pairs.project_id,
    pairs.seq,
    pairs.source <> 'imported' AS is_first,
    pairs.pair_id NOT IN (SELECT pair_id FROM labels) AS is_pending
FROM pairs JOIN prompts USING (prompt_id)
WHERE prompts.split = 'train';

-- Either a prompt's group from Explore, or a stage (and round) of a run.
CREATE TABLE candidates (
    group_id VARCHAR NOT NULL,
    seq BIGINT NOT NULL DEFAULT nextval('candidate_seq'),
    prompt_id VARCHAR,
    run_id VARCHAR,
    stage VARCHAR NOT NULL CHECK (stage IN ('explore', 'before', 'after', 'round')),
    round INTEGER NOT NULL,
    candidate_id VARCHAR NOT NULL,
    prompt VARCHAR NOT NULL,
    text VARCHAR NOT NULL,
    answer VARCHAR NOT NULL,
    token_ids INTEGER[] NOT NULL,
    token_texts VARCHAR[] NOT NULL,
    token_entropy FLOAT[] NOT NULL,
    token_logprob FLOAT[] NOT NULL,
    top_tokens VARCHAR[] NOT NULL,
    top_probs FLOAT[] NOT NULL,
    cot_span INTEGER[] NOT NULL,
    final_span INTEGER[] NOT NULL,
    is_committed BOOLEAN NOT NULL,
    is_finished BOOLEAN NOT NULL,
    model VARCHAR NOT NULL,
    adapter VARCHAR,
    seed BIGINT NOT NULL,
    temperature DOUBLE NOT NULL,
    top_p DOUBLE NOT NULL,
    engine VARCHAR NOT NULL,
    versions VARCHAR NOT NULL,
    created_at VARCHAR NOT NULL,
    CHECK ((prompt_id IS NULL) <> (run_id IS NULL))
);

CREATE TABLE scores (
    group_id VARCHAR NOT NULL,
    candidate_id VARCHAR NOT NULL,
    gem_score DOUBLE NOT NULL,
    final_entropy DOUBLE NOT NULL,
    fork_entropy DOUBLE NOT NULL,
    fork_tokens INTEGER[] NOT NULL,
    lambda_fork DOUBLE NOT NULL,
    top_m DOUBLE NOT NULL,
    rank INTEGER NOT NULL,
    created_at VARCHAR NOT NULL
);

-- `candidate_ids` and `ranks` run in parallel; equal ranks are ties. No rater: the machine's order.
CREATE TABLE rankings (
    ranking_id VARCHAR PRIMARY KEY,
    seq BIGINT NOT NULL DEFAULT nextval('ranking_seq'),
    group_id VARCHAR NOT NULL,
    rater VARCHAR,
    candidate_ids VARCHAR[] NOT NULL,
    ranks INTEGER[] NOT NULL,
    created_at VARCHAR NOT NULL,
    monotonic_s DOUBLE NOT NULL
);

-- `spec`, `status` and `result` are the JSON of the run folder's files.
CREATE TABLE runs (
    run_id VARCHAR PRIMARY KEY,
    seq BIGINT NOT NULL DEFAULT nextval('run_seq'),
    project_id VARCHAR NOT NULL,
    path VARCHAR NOT NULL,
    spec VARCHAR NOT NULL,
    preset VARCHAR NOT NULL,
    model VARCHAR NOT NULL,
    num_pairs INTEGER NOT NULL,
    seed BIGINT NOT NULL,
    labels_hash VARCHAR NOT NULL,
    created_at VARCHAR NOT NULL,
    status VARCHAR NOT NULL,
    result VARCHAR
);

CREATE TABLE run_events (
    run_id VARCHAR NOT NULL,
    seq INTEGER NOT NULL,
    time DOUBLE NOT NULL,
    kind VARCHAR NOT NULL,
    step INTEGER NOT NULL,
    data VARCHAR NOT NULL,
    PRIMARY KEY (run_id, seq)
);

-- The candidate files of a run as they were when read; one that changed is read again.
CREATE TABLE run_files (
    run_id VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    size BIGINT NOT NULL,
    mtime_ns BIGINT NOT NULL
);

CREATE VIEW step_metrics AS
SELECT
    run_events.run_id, run_events.seq, run_events.time, run_events.kind, run_events.step,
    figure.key AS name, CAST(figure.value AS DOUBLE) AS value
FROM run_events, json_each(run_events.data) AS figure
WHERE run_events.kind IN ('sft_step', 'sega_step')
    AND figure.type IN ('DOUBLE', 'BIGINT', 'UBIGINT');

CREATE VIEW checkpoints AS
SELECT
    run_id, seq, time, step,
    data ->> '$.name' AS name,
    CAST(data ->> '$.round' AS INTEGER) AS round,
    CAST(data ->> '$.is_best' AS BOOLEAN) AS is_best
FROM run_events
WHERE kind = 'checkpoint';
