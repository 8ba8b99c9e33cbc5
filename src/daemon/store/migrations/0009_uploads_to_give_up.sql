-- Uploads to a bucket: what is begun there and not completed costs whoever owns it, until somebody gives it up.

-- upload: the address of an upload's first part, which is no secret; empty where what is left of an asset is left for good,
-- and '-' where nothing ever is.
ALTER TABLE asset ADD COLUMN upload TEXT NOT NULL DEFAULT '';

-- What is not wanted any more, however that came about, and that the storage has not heard of.
CREATE TABLE abandoned (
    id     INTEGER PRIMARY KEY,
    upload TEXT NOT NULL UNIQUE CHECK (upload <> '')
) STRICT;

CREATE TRIGGER asset_abandoned AFTER DELETE ON asset WHEN length(old.upload) > 1 BEGIN
    INSERT OR IGNORE INTO abandoned (upload) VALUES (old.upload);
END;
