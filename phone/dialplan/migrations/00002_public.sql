-- +goose Up
CREATE TABLE dialplan_public (
    name        TEXT NOT NULL PRIMARY KEY, -- before the @, lower case
    destination TEXT NOT NULL
);
