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
