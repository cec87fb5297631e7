-- +goose Up
-- Messages that wait until a device of the extension registers.
CREATE TABLE message_waiting (
    place     BIGINT PRIMARY KEY, -- order of arrival: microseconds since 1970 UTC, made unique
    id        TEXT NOT NULL,
    extension TEXT NOT NULL,
    sender    TEXT NOT NULL, -- destination form
    number    TEXT NOT NULL,
    name      TEXT NOT NULL,
    headers   TEXT NOT NULL, -- JSON
    type      TEXT NOT NULL,
    body      BYTEA NOT NULL,
    expires   BIGINT NOT NULL -- microseconds since 1970 UTC
);
CREATE INDEX message_waiting_extension ON message_waiting (extension, place);
