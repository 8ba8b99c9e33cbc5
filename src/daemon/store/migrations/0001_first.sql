-- Times: *_boot_us counts CLOCK_BOOTTIME within *_boot_id, *_wall_s is Unix time by the rig's own clock. Sizes are bytes.
PRAGMA application_id = 0x72696770; -- "rigp"

CREATE TABLE rig (
    id            INTEGER PRIMARY KEY CHECK (id = 1),
    identity_made INTEGER NOT NULL DEFAULT 0 CHECK (identity_made IN (0, 1)),
    paused        INTEGER NOT NULL DEFAULT 0 CHECK (paused IN (0, 1)),
    orphans       INTEGER NOT NULL DEFAULT 0 CHECK (orphans >= 0)
) STRICT;
INSERT INTO rig (id) VALUES (1);

-- The newest row is in force; older ones are what the rig was called before.
CREATE TABLE identity (
    seq          INTEGER PRIMARY KEY AUTOINCREMENT,
    client_id    TEXT NOT NULL CHECK (client_id <> ''),
    check_sha256 BLOB NOT NULL
) STRICT;

CREATE TABLE sealed (
    name  TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT;

-- The tokens themselves are sealed as access_token and refresh_token.
CREATE TABLE grant_state (
    id               INTEGER PRIMARY KEY CHECK (id = 1),
    client_id        TEXT NOT NULL,
    obtained_boot_id TEXT NOT NULL,
    obtained_boot_us INTEGER NOT NULL,
    obtained_wall_s  INTEGER NOT NULL,
    expires_in_ms    INTEGER NOT NULL,
    refresh_marked   INTEGER NOT NULL DEFAULT 0 CHECK (refresh_marked IN (0, 1)),
    ending           TEXT CHECK (ending IN ('revoked', 'interrupted-refresh', 'client-rejected', 'unreadable'))
) STRICT;

CREATE TABLE device (
    id                      INTEGER PRIMARY KEY CHECK (id = 1),
    client_id               TEXT NOT NULL,
    device_name             TEXT NOT NULL,
    project_id              TEXT NOT NULL CHECK (project_id <> ''),
    project_name            TEXT NOT NULL,
    authorized_by           TEXT NOT NULL,
    authorization_expires_s INTEGER
) STRICT;

-- A row: a person wants to pair. The codes are sealed as device_code, user_code and verification_uri_complete.
-- limit_left_ms: how much of the time limit was left at limit_*; NULL: there is none.
CREATE TABLE pairing (
    id               INTEGER PRIMARY KEY CHECK (id = 1),
    client_id        TEXT NOT NULL,
    has_code         INTEGER NOT NULL CHECK (has_code IN (0, 1)),
    verification_uri TEXT,
    device_name      TEXT,
    expires_in_ms    INTEGER NOT NULL DEFAULT 0,
    interval_ms      INTEGER NOT NULL DEFAULT 0,
    obtained_boot_id TEXT NOT NULL DEFAULT '',
    obtained_boot_us INTEGER NOT NULL DEFAULT 0,
    obtained_wall_s  INTEGER NOT NULL DEFAULT 0,
    limit_left_ms    INTEGER,
    limit_boot_id    TEXT NOT NULL DEFAULT '',
    limit_boot_us    INTEGER NOT NULL DEFAULT 0,
    limit_wall_s     INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE item (
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
    state           TEXT NOT NULL CHECK (state IN ('queued', 'uploading', 'held', 'done', 'failed', 'cancelled')),
    reason          TEXT NOT NULL DEFAULT 'none',
    detail          TEXT NOT NULL DEFAULT '',
    attempts        INTEGER NOT NULL DEFAULT 0,
    sent_bytes      INTEGER NOT NULL DEFAULT 0 CHECK (sent_bytes BETWEEN 0 AND size_bytes),
    asset_id        TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE UNIQUE INDEX item_file ON item (path, size_bytes, mtime_ns);
CREATE INDEX item_state ON item (state, id);
CREATE INDEX item_queued ON item (project_id, priority DESC, id) WHERE state = 'queued';
CREATE INDEX item_held ON item (project_id, id) WHERE state = 'held';

-- While parts are on their way; the URLs are sealed as asset/<item_id>/urls.
CREATE TABLE asset (
    item_id         INTEGER PRIMARY KEY REFERENCES item (id) ON DELETE CASCADE,
    asset_id        TEXT NOT NULL CHECK (asset_id <> ''),
    parts           INTEGER NOT NULL CHECK (parts > 0),
    created_boot_id TEXT NOT NULL,
    created_boot_us INTEGER NOT NULL,
    created_wall_s  INTEGER NOT NULL
) STRICT;
CREATE TRIGGER asset_deleted AFTER DELETE ON asset BEGIN
    DELETE FROM sealed WHERE name = 'asset/' || OLD.item_id || '/urls';
END;

CREATE TABLE part (
    item_id INTEGER NOT NULL REFERENCES asset (item_id) ON DELETE CASCADE,
    n       INTEGER NOT NULL CHECK (n >= 0),
    etag    TEXT NOT NULL,
    PRIMARY KEY (item_id, n)
) STRICT, WITHOUT ROWID;

-- How many items are in each state and how much of them is not confirmed: always right, because triggers keep it.
CREATE TABLE tally (
    state      TEXT PRIMARY KEY,
    items      INTEGER NOT NULL DEFAULT 0 CHECK (items >= 0),
    left_bytes INTEGER NOT NULL DEFAULT 0 CHECK (left_bytes >= 0)
) STRICT, WITHOUT ROWID;
INSERT INTO tally (state) VALUES ('queued'), ('uploading'), ('held'), ('done'), ('failed'), ('cancelled');
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
