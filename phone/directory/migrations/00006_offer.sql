-- +goose Up
ALTER TABLE directory_extension ADD COLUMN offer TEXT NOT NULL DEFAULT ''; -- '': early
