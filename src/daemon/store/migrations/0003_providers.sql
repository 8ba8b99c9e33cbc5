-- Several providers: what one has granted is not another's.

-- The provider that this name was used at; empty: Frame.io. A row for each change of either, the newest in force.
ALTER TABLE identity ADD COLUMN realm TEXT NOT NULL DEFAULT '';
-- What grants, codes and the project are tagged with in their client_id.
ALTER TABLE identity ADD COLUMN tag TEXT GENERATED ALWAYS AS
    (CASE realm WHEN '' THEN client_id ELSE client_id || char(10) || realm END) VIRTUAL;
