-- +goose Up
ALTER TABLE directory_trunk ADD COLUMN secret TEXT NOT NULL DEFAULT '';   -- sealed
ALTER TABLE directory_trunk ADD COLUMN settings TEXT NOT NULL DEFAULT ''; -- the other fields, as space.toml writes them
ALTER TABLE directory_trunk ADD COLUMN token TEXT NOT NULL DEFAULT '';    -- user of our Contact there
