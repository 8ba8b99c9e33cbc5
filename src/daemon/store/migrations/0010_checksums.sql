-- What storages vouch for.

-- Which checksum the storage has named, or checked, of a part: "algorithm:base64"; empty where it has said nothing.
ALTER TABLE part ADD COLUMN checksum TEXT NOT NULL DEFAULT '';

-- The same of all that was delivered; "algorithm" alone where each part has one, and the whole has none.
ALTER TABLE receipt ADD COLUMN vouched TEXT NOT NULL DEFAULT '';
