CREATE SEQUENCE rater_seq;

-- Accounts. Without one the studio belongs to the one person who sits at it.
CREATE TABLE raters (
    rater VARCHAR PRIMARY KEY,
    seq BIGINT NOT NULL DEFAULT nextval('rater_seq'),
    role VARCHAR NOT NULL CHECK (role IN ('admin', 'rater')),
    password_hash VARCHAR NOT NULL,
    is_invited BOOLEAN NOT NULL,
    is_active BOOLEAN NOT NULL,
    created_at VARCHAR NOT NULL
);
