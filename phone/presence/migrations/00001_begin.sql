-- +goose Up
CREATE TABLE presence_list (
    name    TEXT PRIMARY KEY,
    members TEXT NOT NULL -- numbers of extensions, by spaces
);
-- What devices have published of their member.
CREATE TABLE presence_published (
    tag       TEXT PRIMARY KEY,
    extension TEXT NOT NULL,
    expires   BIGINT NOT NULL, -- microseconds since 1970 UTC
    status    TEXT NOT NULL    -- JSON
);
