-- What labels say about the features of answers: of a run, or made in Explore (no run). `scoring`,
-- `config`, `calibration` and `orders` are JSON; `calibration` is as gem_backend.types has it.
CREATE SEQUENCE calibration_seq;

CREATE TABLE calibrations (
    calibration_id VARCHAR PRIMARY KEY,
    seq BIGINT NOT NULL DEFAULT nextval('calibration_seq'),
    project_id VARCHAR NOT NULL,
    run_id VARCHAR,
    model VARCHAR NOT NULL,
    adapter VARCHAR,
    scoring VARCHAR NOT NULL,
    config VARCHAR NOT NULL,
    calibration VARCHAR NOT NULL,
    num_comparisons INTEGER NOT NULL,
    num_left_out INTEGER NOT NULL DEFAULT 0,
    labels_hash VARCHAR NOT NULL,
    orders VARCHAR NOT NULL DEFAULT '[]',
    created_at VARCHAR NOT NULL
);

-- The answers that the orders speak of, by place, so that other weights of the score can be tried
-- without the model; of the newest calibration of a model and adapter only.
CREATE TABLE calibration_answers (
    calibration_id VARCHAR NOT NULL,
    place INTEGER NOT NULL,
    token_entropy FLOAT[] NOT NULL,
    cot_span INTEGER[] NOT NULL,
    final_span INTEGER[] NOT NULL,
    is_committed BOOLEAN NOT NULL,
    mean_logprob DOUBLE NOT NULL,
    implicit_reward DOUBLE NOT NULL,
    answer_agreement DOUBLE NOT NULL
);

CREATE OR REPLACE VIEW step_metrics AS
SELECT
    run_events.run_id, run_events.seq, run_events.time, run_events.kind, run_events.step,
    figure.key AS name, CAST(figure.value AS DOUBLE) AS value
FROM run_events, json_each(run_events.data) AS figure
WHERE run_events.kind IN ('sft_step', 'sega_step', 'baseline_step')
    AND figure.type IN ('DOUBLE', 'BIGINT', 'UBIGINT');
