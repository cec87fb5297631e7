-- +goose Up
CREATE TABLE directory_extension (
    number       TEXT PRIMARY KEY,
    name         TEXT NOT NULL,
    secret       TEXT NOT NULL, -- sealed
    codecs       TEXT NOT NULL, -- by spaces, in order of preference
    digest       TEXT NOT NULL,
    ring_seconds BIGINT NOT NULL
);
CREATE TABLE directory_trunk (
    name      TEXT PRIMARY KEY,
    address   TEXT NOT NULL,
    transport TEXT NOT NULL,
    sources   TEXT NOT NULL, -- match, by spaces
    codecs    TEXT NOT NULL
);
-- No foreign key to the extension: bindings are written in groups from memory,
-- and one of an extension that was just removed must not sink others.
CREATE TABLE directory_binding (
    extension  TEXT NOT NULL,
    device     TEXT NOT NULL, -- Binding.Key
    instance   TEXT NOT NULL,
    reg_id     BIGINT NOT NULL,
    contact    TEXT NOT NULL,
    received   TEXT NOT NULL,
    transport  TEXT NOT NULL,
    local      TEXT NOT NULL,
    path       TEXT NOT NULL, -- by newlines
    user_agent TEXT NOT NULL,
    call_id    TEXT NOT NULL,
    cseq       BIGINT NOT NULL,
    expires    BIGINT NOT NULL, -- microseconds since 1970 UTC
    updated    BIGINT NOT NULL,
    node       TEXT NOT NULL,
    flow       TEXT NOT NULL,
    q          DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (extension, device)
);
