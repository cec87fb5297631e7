-- +goose Up
-- The legs go into the call's own row, and calls are found by their IDs, which
-- sort by time: a call that ends writes two rows' pages, not six.
ALTER TABLE record_call ADD COLUMN parties TEXT NOT NULL DEFAULT ''; -- destinations of all legs, each between spaces
ALTER TABLE record_call ADD COLUMN legs TEXT NOT NULL DEFAULT '[]'; -- JSON, as the program reads it
UPDATE record_call SET
    parties = coalesce((SELECT ' ' || string_agg(party, ' ') || ' ' FROM record_leg WHERE call_id = record_call.id), ''),
    legs = coalesce((SELECT '[' || string_agg('{"id":"' || replace(replace(id, '\', '\\'), '"', '\"')
        || '","kind":"' || kind || '","party":"' || replace(replace(party, '\', '\\'), '"', '\"')
        || '","device":"' || replace(replace(device, '\', '\\'), '"', '\"')
        || '","call_id":"' || replace(replace(sip_call_id, '\', '\\'), '"', '\"')
        || '","remote":"' || remote || '","start":' || started || ',"answer":' || answered || ',"end":' || ended
        || ',"cause":"' || replace(replace(cause, '\', '\\'), '"', '\"') || '","code":' || code
        || ',"codec":"' || codec || '","codec_by":"' || replace(replace(codec_by, '\', '\\'), '"', '\"')
        || '","in":' || packets_in || ',"out":' || packets_out || ',"lost":' || lost || ',"jitter":' || jitter_ms || '}', ',')
        || ']' FROM (SELECT * FROM record_leg ORDER BY call_id, place) AS ordered WHERE call_id = record_call.id), '[]');
DROP TABLE record_leg;
DROP INDEX record_call_started;
