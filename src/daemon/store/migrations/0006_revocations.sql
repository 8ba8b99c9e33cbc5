-- Grants that were ended here, of which the provider has not heard. What it takes to revoke one is sealed as
-- revocation/<id>/token and, where the client has one, revocation/<id>/secret; both go with the row.

-- client_id: as the provider knows the client. refresh: the token is a refresh token; else an access token.
-- spent_ms: how much of the week was over at noted_*.
CREATE TABLE revocation (
    id            INTEGER PRIMARY KEY,
    provider      INTEGER NOT NULL,
    client_id     TEXT NOT NULL,
    refresh       INTEGER NOT NULL CHECK (refresh IN (0, 1)),
    tries         INTEGER NOT NULL DEFAULT 0 CHECK (tries >= 0),
    spent_ms      INTEGER NOT NULL DEFAULT 0 CHECK (spent_ms >= 0),
    noted_boot_id TEXT NOT NULL,
    noted_boot_us INTEGER NOT NULL,
    noted_wall_s  INTEGER NOT NULL
) STRICT;
CREATE TRIGGER revocation_deleted AFTER DELETE ON revocation BEGIN
    DELETE FROM sealed WHERE name IN ('revocation/' || OLD.id || '/token', 'revocation/' || OLD.id || '/secret');
END;
