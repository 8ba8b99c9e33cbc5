-- Clips that media sources find, receipts, ages across boots, and bounds for each caller.

ALTER TABLE rig ADD COLUMN bandwidth_limit INTEGER NOT NULL DEFAULT 0 CHECK (bandwidth_limit >= 0);

-- When the pairing with this project began; NULL where that was not written down: then nothing counts as made before it.
ALTER TABLE device ADD COLUMN since_boot_id TEXT;
ALTER TABLE device ADD COLUMN since_boot_us INTEGER;
ALTER TABLE device ADD COLUMN since_wall_s INTEGER;

ALTER TABLE item ADD COLUMN class TEXT NOT NULL DEFAULT '';
ALTER TABLE item ADD COLUMN channel INTEGER NOT NULL DEFAULT 0 CHECK (channel BETWEEN 0 AND 255);
ALTER TABLE item ADD COLUMN source TEXT;
ALTER TABLE item ADD COLUMN uid INTEGER NOT NULL DEFAULT 0 CHECK (uid >= 0);
ALTER TABLE item ADD COLUMN before_pairing TEXT NOT NULL DEFAULT 'queue' CHECK (before_pairing IN ('queue', 'ask', 'ignore'));
ALTER TABLE item ADD COLUMN settled INTEGER NOT NULL DEFAULT 0 CHECK (settled IN (0, 1));
-- A source has seen the file: it is remembered when the row goes.
ALTER TABLE item ADD COLUMN watched INTEGER NOT NULL DEFAULT 0 CHECK (watched IN (0, 1));

-- One row for each project that a file was queued for.
DROP INDEX item_file;
CREATE UNIQUE INDEX item_file ON item (path, size_bytes, mtime_ns, project_id);
-- A file that was given another name.
CREATE INDEX item_inode ON item (ino, size_bytes);
-- Items that another pairing frees; those of reason before-pairing wait for a person.
DROP INDEX item_held;
CREATE INDEX item_held ON item (project_id, id) WHERE state = 'held' AND reason <> 'before-pairing';

-- What the bytes were: XXH64, as the signed number with the same bits; NULL where nobody noted it.
ALTER TABLE part ADD COLUMN xxh64 INTEGER;

-- parts: XXH64 of each part, eight bytes each, most significant first; empty, with no digest, where one is not known.
CREATE TABLE receipt (
    item_id           INTEGER PRIMARY KEY REFERENCES item (id) ON DELETE CASCADE,
    delivered_boot_id TEXT NOT NULL,
    delivered_boot_us INTEGER NOT NULL,
    delivered_wall_s  INTEGER NOT NULL,
    chunk_bytes       INTEGER NOT NULL,
    parts             BLOB NOT NULL,
    digest            INTEGER
) STRICT;

-- Files of sources whose rows are gone, oldest first: XXH64 over path, size and time of change.
CREATE TABLE remembered (
    n    INTEGER PRIMARY KEY,
    hash INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX remembered_hash ON remembered (hash);

-- Wall time when a boot began, by a source that could be trusted.
CREATE TABLE boot (
    n       INTEGER PRIMARY KEY,
    boot_id TEXT NOT NULL UNIQUE,
    wall_s  INTEGER NOT NULL
) STRICT;

-- Items of each user that are not sent and not taken off; users without any, and root, have no row.
CREATE TABLE caller (
    uid   INTEGER PRIMARY KEY,
    items INTEGER NOT NULL CHECK (items >= 0)
) STRICT;
CREATE TRIGGER caller_inserted AFTER INSERT ON item
WHEN NEW.uid <> 0 AND NEW.state NOT IN ('done', 'cancelled') BEGIN
    INSERT INTO caller (uid, items) VALUES (NEW.uid, 1) ON CONFLICT (uid) DO UPDATE SET items = items + 1;
END;
CREATE TRIGGER caller_deleted AFTER DELETE ON item
WHEN OLD.uid <> 0 AND OLD.state NOT IN ('done', 'cancelled') BEGIN
    UPDATE caller SET items = items - 1 WHERE uid = OLD.uid;
    DELETE FROM caller WHERE uid = OLD.uid AND items = 0;
END;
CREATE TRIGGER caller_left AFTER UPDATE OF state, uid ON item
WHEN OLD.uid <> 0 AND OLD.state NOT IN ('done', 'cancelled')
    AND (NEW.uid <> OLD.uid OR NEW.state IN ('done', 'cancelled')) BEGIN
    UPDATE caller SET items = items - 1 WHERE uid = OLD.uid;
    DELETE FROM caller WHERE uid = OLD.uid AND items = 0;
END;
CREATE TRIGGER caller_joined AFTER UPDATE OF state, uid ON item
WHEN NEW.uid <> 0 AND NEW.state NOT IN ('done', 'cancelled')
    AND (NEW.uid <> OLD.uid OR OLD.state IN ('done', 'cancelled')) BEGIN
    INSERT INTO caller (uid, items) VALUES (NEW.uid, 1) ON CONFLICT (uid) DO UPDATE SET items = items + 1;
END;
