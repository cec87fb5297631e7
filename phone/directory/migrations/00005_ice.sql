-- +goose Up
ALTER TABLE directory_extension ADD COLUMN ice TEXT NOT NULL DEFAULT ''; -- '': auto
