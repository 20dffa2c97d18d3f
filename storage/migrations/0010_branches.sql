-- A candidate that went its own way from a token of another: whose, and from which place.
ALTER TABLE candidates ADD COLUMN parent_id VARCHAR;
ALTER TABLE candidates ADD COLUMN branch_token INTEGER;

-- The candidates whose texts a pair's answers are, where they were sampled here.
ALTER TABLE pairs ADD COLUMN candidate_a VARCHAR;
ALTER TABLE pairs ADD COLUMN candidate_b VARCHAR;
