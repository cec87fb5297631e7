-- +goose Up
ALTER TABLE directory_extension ADD COLUMN dtmf TEXT NOT NULL DEFAULT '';  -- '': auto
ALTER TABLE directory_extension ADD COLUMN clean TEXT NOT NULL DEFAULT ''; -- by spaces
