-- +goose Up
CREATE TABLE space_version (
    number   BIGINT PRIMARY KEY,
    made     BIGINT NOT NULL, -- microseconds since 1970 UTC
    who      TEXT NOT NULL,
    summary  TEXT NOT NULL,
    document TEXT NOT NULL    -- the whole space.toml, secrets sealed
);
