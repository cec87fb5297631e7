-- +goose Up
-- Standing calls take numbered places that are used again, so that a call that
-- stands and one that ends write three pages instead of eight. A row is a
-- standing call's only while record_call does not have its ID: whatever removes
-- records removes the places of the same IDs.
CREATE TABLE record_place (
    place INTEGER PRIMARY KEY,
    id    TEXT NOT NULL,
    state BYTEA NOT NULL
);
INSERT INTO record_place (place, id, state) SELECT row_number() OVER (ORDER BY id), id, state FROM record_standing;
DROP TABLE record_standing;
