-- What issuers say of themselves, for a start at which they don't answer. It is public, and sealed nowhere.

-- document: which one, in a word. came_from: the issuer, or the address of its keys.
CREATE TABLE issuer (
    provider     INTEGER NOT NULL REFERENCES provider (id) ON DELETE CASCADE,
    document     TEXT NOT NULL,
    came_from    TEXT NOT NULL,
    text         TEXT NOT NULL CHECK (length(text) <= 65536),
    said_boot_id TEXT NOT NULL,
    said_boot_us INTEGER NOT NULL,
    said_wall_s  INTEGER NOT NULL,
    PRIMARY KEY (provider, document)
) STRICT, WITHOUT ROWID;

-- What people call the projects that this rig has served, for clips that still belong to one of them. id: as items name it.
CREATE TABLE project (
    n    INTEGER PRIMARY KEY,
    id   TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL
) STRICT;
INSERT INTO project (id, name)
    SELECT CASE provider WHEN 1 THEN project_id ELSE provider || char(10) || project_id END, project_name
    FROM device WHERE project_name <> '';
