-- Experts put answers in order before Explore shows them the machine's order.
ALTER TABLE projects ADD COLUMN is_blind_first BOOLEAN DEFAULT false;

CREATE SEQUENCE reveal_seq;

-- The first time that a rater was shown the machine's order of a group. Append-only: no statement of
-- the program updates or deletes a row of it. The lists run in parallel, an entry a candidate in the
-- order shown; equal ranks are ties. `own_places` is the rater's own order then, NULL for an answer
-- that has no place in it; `tau` is Kendall's tau-b between both over the `num_answers` that have
-- one, NULL where it does not exist. `is_calibrated`: the machine had learned from labels.
CREATE TABLE reveals (
    reveal_id VARCHAR PRIMARY KEY,
    seq BIGINT NOT NULL DEFAULT nextval('reveal_seq'),
    project_id VARCHAR NOT NULL,
    prompt_id VARCHAR NOT NULL,
    group_id VARCHAR NOT NULL,
    rater VARCHAR NOT NULL,
    is_calibrated BOOLEAN NOT NULL,
    candidate_ids VARCHAR[] NOT NULL,
    answers VARCHAR[] NOT NULL,
    ranks INTEGER[] NOT NULL,
    gem_scores DOUBLE[] NOT NULL,
    own_places INTEGER[] NOT NULL,
    tau DOUBLE,
    num_answers INTEGER NOT NULL,
    created_at VARCHAR NOT NULL,
    UNIQUE (rater, group_id)
);
