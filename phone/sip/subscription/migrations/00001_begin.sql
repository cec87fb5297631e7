-- +goose Up
-- What a restart needs to go on with a subscription. seq_limit is above any CSeq
-- that was used.
CREATE TABLE subscription_standing (
    tag       TEXT PRIMARY KEY, -- ours
    expires   BIGINT NOT NULL,  -- microseconds since 1970 UTC
    seq_limit BIGINT NOT NULL,
    state     BYTEA NOT NULL    -- JSON
);
