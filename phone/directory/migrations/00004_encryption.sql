-- +goose Up
ALTER TABLE directory_extension ADD COLUMN encryption TEXT NOT NULL DEFAULT ''; -- '': as [rtp] encryption says
