-- A provider is a kind and an address: what one cloud has granted is shown to no other one.

-- origin NULL: nobody has written down at which address it was used. The first one of its kind and application that is used
-- from now on is it.
-- secret: the name of its sealed client secret.
CREATE TABLE provider (
    id          INTEGER PRIMARY KEY,
    kind        TEXT NOT NULL CHECK (kind IN ('frameio', 'oauth')),
    origin      TEXT,
    application TEXT NOT NULL,
    takes_clips INTEGER NOT NULL CHECK (takes_clips IN (0, 1)),
    secret      TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX provider_key ON provider (kind, origin, application);
INSERT INTO provider (id, kind, origin, application, takes_clips, secret)
    VALUES (1, 'frameio', NULL, '', 1, 'client_secret');
-- A realm was an address, a space, and the application.
INSERT INTO provider (kind, origin, application, takes_clips, secret)
    SELECT DISTINCT 'oauth', substr(realm, 1, instr(realm, ' ') - 1), substr(realm, instr(realm, ' ') + 1), 0,
        'client_secret/' || realm
    FROM identity WHERE realm <> '';

-- Which provider it is of. No foreign key: of a row of nobody's, 0, nothing is ever used.
ALTER TABLE identity ADD COLUMN provider INTEGER NOT NULL DEFAULT 1;
ALTER TABLE grant_state ADD COLUMN provider INTEGER NOT NULL DEFAULT 1;
ALTER TABLE device ADD COLUMN provider INTEGER NOT NULL DEFAULT 1;
ALTER TABLE pairing ADD COLUMN provider INTEGER NOT NULL DEFAULT 1;
UPDATE identity SET provider = coalesce((SELECT id FROM provider WHERE secret = 'client_secret/' || realm), 0)
    WHERE realm <> '';
UPDATE grant_state SET
    provider = coalesce((SELECT id FROM provider
        WHERE secret = 'client_secret/' || substr(client_id, instr(client_id, char(10)) + 1)), 0),
    client_id = substr(client_id, 1, instr(client_id, char(10)) - 1)
    WHERE instr(client_id, char(10)) > 0;
UPDATE device SET
    provider = coalesce((SELECT id FROM provider
        WHERE secret = 'client_secret/' || substr(client_id, instr(client_id, char(10)) + 1)), 0),
    client_id = substr(client_id, 1, instr(client_id, char(10)) - 1)
    WHERE instr(client_id, char(10)) > 0;
UPDATE pairing SET
    provider = coalesce((SELECT id FROM provider
        WHERE secret = 'client_secret/' || substr(client_id, instr(client_id, char(10)) + 1)), 0),
    client_id = substr(client_id, 1, instr(client_id, char(10)) - 1)
    WHERE instr(client_id, char(10)) > 0;
ALTER TABLE identity DROP COLUMN tag;
ALTER TABLE identity DROP COLUMN realm;
