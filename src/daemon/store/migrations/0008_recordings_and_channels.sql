-- Clips that are sent while they are recorded, comments, and channels.
-- Foreign keys are off while this runs: the table that assets and receipts refer to is built anew, for its states.

CREATE TABLE item_now (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    path            BLOB NOT NULL,
    name            TEXT NOT NULL,
    filetype        TEXT NOT NULL,
    size_bytes      INTEGER NOT NULL CHECK (size_bytes > 0),
    mtime_ns        INTEGER NOT NULL,
    dev             INTEGER NOT NULL,
    ino             INTEGER NOT NULL,
    priority        INTEGER NOT NULL,
    project_id      TEXT,
    created_boot_id TEXT NOT NULL,
    created_boot_us INTEGER NOT NULL,
    created_wall_s  INTEGER NOT NULL,
    added_boot_id   TEXT NOT NULL,
    added_boot_us   INTEGER NOT NULL,
    added_wall_s    INTEGER NOT NULL,
    state           TEXT NOT NULL CHECK (state IN
        ('queued', 'uploading', 'recording', 'held', 'away', 'incomplete', 'done', 'failed', 'cancelled')),
    reason          TEXT NOT NULL DEFAULT 'none',
    detail          TEXT NOT NULL DEFAULT '',
    attempts        INTEGER NOT NULL DEFAULT 0,
    sent_bytes      INTEGER NOT NULL DEFAULT 0 CHECK (sent_bytes BETWEEN 0 AND size_bytes),
    asset_id        TEXT NOT NULL DEFAULT '',
    class           TEXT NOT NULL DEFAULT '',
    channel         INTEGER NOT NULL DEFAULT 0 CHECK (channel BETWEEN 0 AND 255),
    source          TEXT,
    uid             INTEGER NOT NULL DEFAULT 0 CHECK (uid >= 0),
    before_pairing  TEXT NOT NULL DEFAULT 'queue' CHECK (before_pairing IN ('queue', 'ask', 'ignore')),
    settled         INTEGER NOT NULL DEFAULT 0 CHECK (settled IN (0, 1)),
    -- A source has seen the file: it is remembered when the row goes.
    watched         INTEGER NOT NULL DEFAULT 0 CHECK (watched IN (0, 1)),
    -- What was seen last. fingerprint NULL: by a version that took none. XXH64 as the signed number with the same bits.
    ctime_ns        INTEGER NOT NULL DEFAULT 0,
    volume          TEXT NOT NULL DEFAULT '',
    mount           INTEGER NOT NULL DEFAULT 0,
    fingerprint     INTEGER,
    head            INTEGER NOT NULL DEFAULT 0,
    -- The asset that it is a new version of.
    version_of      TEXT NOT NULL DEFAULT '',
    -- It is sent though it was delivered before; though it is cut off; whatever its file is by now.
    anyway          INTEGER NOT NULL DEFAULT 0 CHECK (anyway IN (0, 1)),
    as_is           INTEGER NOT NULL DEFAULT 0 CHECK (as_is IN (0, 1)),
    afresh          INTEGER NOT NULL DEFAULT 0 CHECK (afresh IN (0, 1))
) STRICT;
-- The columns are those of before, in their order.
INSERT INTO item_now SELECT * FROM item;
-- Numbers are never given twice, those of rows that are gone neither.
UPDATE sqlite_sequence SET seq = max(seq, (SELECT seq FROM sqlite_sequence WHERE name = substr('item_now', 1, 4)))
    WHERE name = 'item_now' AND EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = substr('item_now', 1, 4));
INSERT INTO sqlite_sequence (name, seq) SELECT 'item_now', seq FROM sqlite_sequence
    WHERE name = substr('item_now', 1, 4) AND NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'item_now');
DROP TABLE item;
ALTER TABLE item_now RENAME TO item;

CREATE INDEX item_state ON item (state, id);
CREATE INDEX item_queued ON item (project_id, priority DESC, id) WHERE state = 'queued';
-- Items that another pairing frees; those of reason before-pairing wait for a person.
CREATE INDEX item_held ON item (project_id, id) WHERE state = 'held' AND reason <> 'before-pairing';
-- What a file may be: by its path, by its inode, by its bytes.
CREATE INDEX item_path ON item (path, id);
CREATE INDEX item_inode ON item (ino, size_bytes);
CREATE INDEX item_fingerprint ON item (fingerprint, size_bytes) WHERE fingerprint IS NOT NULL;

INSERT INTO tally (state) VALUES ('recording');
CREATE TRIGGER item_inserted AFTER INSERT ON item BEGIN
    UPDATE tally SET items = items + 1, left_bytes = left_bytes + NEW.size_bytes - NEW.sent_bytes
        WHERE state = NEW.state;
END;
CREATE TRIGGER item_deleted AFTER DELETE ON item BEGIN
    UPDATE tally SET items = items - 1, left_bytes = left_bytes - OLD.size_bytes + OLD.sent_bytes
        WHERE state = OLD.state;
END;
CREATE TRIGGER item_updated AFTER UPDATE OF state, size_bytes, sent_bytes ON item BEGIN
    UPDATE tally SET items = items - 1, left_bytes = left_bytes - OLD.size_bytes + OLD.sent_bytes
        WHERE state = OLD.state;
    UPDATE tally SET items = items + 1, left_bytes = left_bytes + NEW.size_bytes - NEW.sent_bytes
        WHERE state = NEW.state;
END;
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

-- Of one that grows: addresses are sealed by the numbers of their parts, and parts is the most that there can be.
-- closed_bytes: the size of the clip, once its last part is registered.
ALTER TABLE asset ADD COLUMN grows INTEGER NOT NULL DEFAULT 0 CHECK (grows IN (0, 1));
ALTER TABLE asset ADD COLUMN closed_bytes INTEGER;

-- What people and cameras have to say of clips. frames: from the clip's beginning. sent_to: the asset that has it.
CREATE TABLE comment (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    item_id INTEGER NOT NULL REFERENCES item (id) ON DELETE CASCADE,
    text    TEXT NOT NULL CHECK (text <> ''),
    frames  INTEGER NOT NULL CHECK (frames >= 0),
    sent_to TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX comment_item ON comment (item_id);

-- Cameras and recorders behind this rig, by the names that they have for life, and their numbers in projects.
CREATE TABLE sub_device (
    source    TEXT NOT NULL,
    model     TEXT NOT NULL,
    client_id TEXT NOT NULL UNIQUE,
    PRIMARY KEY (source, model)
) STRICT, WITHOUT ROWID;
CREATE TABLE channel (
    client_id      TEXT NOT NULL REFERENCES sub_device (client_id) ON DELETE CASCADE,
    project_id     TEXT NOT NULL,
    external_index INTEGER NOT NULL CHECK (external_index BETWEEN 1 AND 100),
    PRIMARY KEY (client_id, project_id)
) STRICT, WITHOUT ROWID;
