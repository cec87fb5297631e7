-- +goose Up
CREATE TABLE dialplan_route (
    source      TEXT NOT NULL, -- from; empty: any extension
    number      TEXT NOT NULL, -- pattern
    destination TEXT NOT NULL, -- to
    PRIMARY KEY (source, number)
);
