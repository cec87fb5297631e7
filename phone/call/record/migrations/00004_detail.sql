-- +goose Up
ALTER TABLE record_call ADD COLUMN detail TEXT NOT NULL DEFAULT ''; -- the cause, in a sentence; empty: the cause says all
