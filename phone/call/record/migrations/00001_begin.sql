-- +goose Up
-- Times are microseconds since 1970 UTC; 0: it did not happen.
CREATE TABLE record_call (
    id        TEXT PRIMARY KEY,
    node      TEXT NOT NULL,
    started   BIGINT NOT NULL,
    answered  BIGINT NOT NULL,
    ended     BIGINT NOT NULL,
    caller    TEXT NOT NULL, -- destination
    name      TEXT NOT NULL, -- the caller's
    dialled   TEXT NOT NULL,
    callee    TEXT NOT NULL, -- destination
    cause     TEXT NOT NULL,
    sip_code  BIGINT NOT NULL,
    ended_by  TEXT NOT NULL
);
CREATE INDEX record_call_started ON record_call (started);
CREATE TABLE record_leg (
    call_id     TEXT NOT NULL,
    place       BIGINT NOT NULL, -- 0 the caller's, then in the order they were made
    id          TEXT NOT NULL,
    kind        TEXT NOT NULL,
    party       TEXT NOT NULL, -- destination
    device      TEXT NOT NULL,
    sip_call_id TEXT NOT NULL,
    remote      TEXT NOT NULL,
    started     BIGINT NOT NULL,
    answered    BIGINT NOT NULL,
    ended       BIGINT NOT NULL,
    cause       TEXT NOT NULL,
    code        BIGINT NOT NULL,
    codec       TEXT NOT NULL,
    codec_by    TEXT NOT NULL,
    packets_in  BIGINT NOT NULL,
    packets_out BIGINT NOT NULL,
    lost        BIGINT NOT NULL,
    jitter_ms   DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (call_id, place)
);
-- What a restart needs of a call that stands.
CREATE TABLE record_standing (
    id    TEXT PRIMARY KEY,
    state BYTEA NOT NULL
);
